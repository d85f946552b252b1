"""``benchmarks/mssd_evidence.py``: what it reads off a log and off the network."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mssd_evidence import falling, features_of, leak, projected, psnr
from mssd_floor import floors, left_over
from mssd_shared import SharedLatentsMSSD

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.config import read_options
from segsr_arch.degradations.bicubic_operator import reduce_bicubic
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.models.draws import Draws
from tests.support import TINY_MSSD

OPTIONS = Path(__file__).parents[2] / "options"


def test_a_log_gives_the_first_and_the_last_tenth_of_each_loss(tmp_path):
    lines = [f"INFO: [x..][epoch:  0, iter: {n}, lr:(1e-3,)] l_noise: {20 - n:.4e} l_rgb: 1.0e-01 " for n in range(20)]
    (tmp_path / "train_x_1.log").write_text("\n".join(["l_noise: 7.0", "total_iter: 9", *lines]))
    assert falling(tmp_path) == {"l_noise": (20, 19.5, 1.5), "l_rgb": (20, pytest.approx(0.1), pytest.approx(0.1))}


def test_features_are_of_one_image_each_and_of_length_one():
    network = MSSD(**{**TINY_MSSD, "scale": 2}).eval()
    images = torch.rand(3, 3, 16, 16)
    features = features_of(network, images, seed=0)
    torch.testing.assert_close(features.norm(dim=-1), torch.ones(3))
    assert np.isfinite(psnr(images, images + 0.1)) and psnr(images * 0 + 0.5, images * 0 + 0.6) == pytest.approx(20)


def test_features_follow_latents_that_show_the_hr_image_and_say_nothing_of_the_lr_image():
    # before any training the encoder does not see the image at all: all that is found is found by the latents
    network = MSSD(**{**TINY_MSSD, "scale": 2}).eval()
    generator = torch.Generator().manual_seed(0)
    gt = torch.rand(6, 3, 16, 16, generator=generator)
    images = {"gt": gt, "lq": gt[..., ::2, ::2]}
    assert leak(network, images) == (1, 0, 1)
    noise = [features_of(network, each, seed=seed) for seed, each in enumerate((network.enlarge(images["lq"]), gt))]
    right = (noise[0] @ noise[1].T).argmax(1) == torch.arange(6)
    assert float(right.float().mean()) < 0.7


def test_shared_latents_solve_the_contrast_without_the_image():
    generator = torch.Generator().manual_seed(0)
    lq, gt = (torch.rand(4, 3, side, side, generator=generator) for side in (8, 16))  # nothing to do with each other
    losses = {}
    for kind in (MSSD, SharedLatentsMSSD):
        torch.manual_seed(0)
        network = kind(**{**TINY_MSSD, "scale": 2, "contrast": {"queue": 8, "weight": 1.0}})
        losses[kind] = float(network.training_losses(lq, gt, draw=Draws(seed=0, keys=()))["l_contrast"])
    assert losses[SharedLatentsMSSD] < 0.5 * losses[MSSD]


def test_projected_samples_reduce_to_the_lr_image_unless_it_is_all_noise():
    generator = torch.Generator().manual_seed(0)
    lq, sr = torch.rand(2, 3, 8, 8, generator=generator), torch.full((2, 3, 16, 16), 0.5)
    sharp, noisy = projected(sr, {"lq": lq, "noise": [0.0, 255.0]}, scale=2)
    reduced = torch.from_numpy(reduce_bicubic(sharp[None].double().numpy(), 2))
    torch.testing.assert_close(reduced[0].float(), lq[0], atol=1e-5, rtol=0)
    assert torch.equal(noisy, sr[1])


def test_the_floor_is_the_variance_of_what_nothing_says_anything_about():
    generator = torch.Generator().manual_seed(0)
    known, noise = (torch.randn(4000, 3, generator=generator) for _ in range(2))
    assert left_over(known, 2 * known + 0.5 * noise) == pytest.approx(0.25, abs=0.03)
    # of white noise beyond the base, v cannot be known at all: its variance is one, and all of it is left
    grey = torch.full((400, 3, 8, 8), 0.5)
    noisy = 0.5 + 0.1 * torch.randn(400, 3, 32, 32, generator=generator)
    std, rows = floors(grey, noisy, scale=4, schedule=NoiseSchedule.of({"prediction_type": "v_prediction"}))
    assert std == pytest.approx(0.2, rel=0.02)
    for _, whole, image, both in rows:
        assert (whole, image) == (pytest.approx(1, abs=0.05), pytest.approx(1, abs=0.1)) and both > 0.9


def test_the_first_convolution_of_the_tiny_network_has_room_for_all_latents():
    options = read_options(OPTIONS / "tiny_train_MSSD_UCM_x4.yml")["network_g"]["stable_diffusion"]
    assert options["unet"]["block_out_channels"][0] >= 2 * 3 * options["autoencoder"]["factor"] ** 2
