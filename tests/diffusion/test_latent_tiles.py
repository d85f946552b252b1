import math

import pytest
import torch
from torch.nn import functional

from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions, tiled
from segsr_arch.diffusion.samplers.noise import noise_of
from segsr_arch.diffusion.samplers.sampling import SamplerOptions, sample
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.errors import ConfigError
from segsr_arch.windows import Window

TILES = LatentTileOptions(size=24, overlap=12)
SIZE = (60, 44)
SCHEDULE = NoiseSchedule.of({"prediction_type": "v_prediction"})


def local_network(latents, t, condition):
    """Takes noise for rough and what is conditioned on for true, and looks 4 pixels around: a denoiser with borders."""
    kernel = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    kernel = torch.outer(kernel, kernel).expand(latents.shape[1], 1, 5, 5)
    around = functional.conv2d(latents, kernel, padding=4, dilation=2, groups=latents.shape[1])
    signal, noise = SCHEDULE.signal(t), SCHEDULE.noise(t)
    clean = 0.1 * condition + signal * (0.6 * (latents - around) + 0.4 * latents.tanh())
    return SCHEDULE.target(clean, (latents - signal * clean) / noise, t)


@pytest.fixture
def images():
    """Latents (1, 4, 60, 44) sampled of the same noise at once, in tiles at every step, and in tiles apart."""
    condition, noise = (noise_of((4, *SIZE), seed=0, keys=(name,))[None] for name in ("condition", "noise"))
    options = SamplerOptions(type="ddim", steps=20)

    def predict(latents, t, window):
        return local_network(latents, t, condition[(..., *window.slices)])

    def run(denoiser, noise):
        return sample(denoiser, noise, SCHEDULE, options)

    def sampled_apart(_, t, window):
        own = noise_of((4, window.height, window.width), seed=1, keys=(window.top, window.left))[None]
        return run(lambda latents, t: predict(latents, t, window), own)

    whole = run(lambda latents, t: local_network(latents, t, condition), noise)
    return whole, run(tiled(predict, TILES), noise), tiled(sampled_apart, TILES)(noise, 0)


def psnr(one, whole):
    return 10 * math.log10(whole.std().item() ** 2 / (one - whole).square().mean().item())


def rough(image, columns):
    """Energy of differences of neighbouring rows, in some columns."""
    return image[..., columns].diff(dim=-2).square().mean().item()


def test_tiles_give_what_the_whole_gives(images):
    whole, in_tiles, apart = images
    assert psnr(in_tiles, whole) > 50
    assert psnr(apart, whole) < 20, "blended at the end they do not"


def test_overlaps_are_as_rough_as_the_rest(images):
    whole, in_tiles, apart = images
    overlap = list(range(14, 22))  # of rows of tiles at 0, 12, 24: the middle between two
    assert 0.95 < rough(in_tiles, overlap) / rough(whole, overlap) < 1.05
    assert rough(apart, overlap) / rough(whole, overlap) < 0.9, "the mean of what does not fit is smooth"


@pytest.mark.parametrize("size", [(24, 24), (25, 90), (7, 40)])
def test_weights_sum_to_one_and_windows_are_places(size):
    places = []

    def predict(latents, t, window):
        places.append(window)
        assert latents.shape[-2:] == (window.height, window.width)
        return latents

    latents = noise_of((2, 3, *size), seed=0, keys=())
    assert torch.allclose(tiled(predict, TILES)(latents, 5), latents, atol=1e-6)
    whole = Window(height=size[0], width=size[1])
    assert all(window.intersection(whole) == window for window in places)
    assert (len(places) == 1) == (size == (24, 24))


def test_the_middle_of_a_tile_counts_most():
    seen = {}

    def predict(latents, t, window):
        seen[window.left] = window
        return torch.full_like(latents, float(window.left))

    blended = tiled(predict, TILES)(torch.zeros(1, 1, 24, 36), 0)[0, 0, 0]
    assert list(seen) == [0, 12]
    assert torch.all(blended[:12] == 0) and torch.all(blended[24:] == 12)
    assert torch.all(blended[12:24].diff() > 0) and blended[17].item() + blended[18].item() == pytest.approx(12)


def test_options_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="latent_tile: overlap: must be from 0 to size - 1; got size 8 and overlap 8"):
        LatentTileOptions(size=8, overlap=8)
