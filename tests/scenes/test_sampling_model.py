"""Networks that sample, on scenes: one noise field for all windows, and what such a network is told."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from torch import nn
from torch.nn import functional as F

from segsr_arch.diffusion.samplers.noise import noise_of, noise_spaced
from segsr_arch.errors import ConfigError
from segsr_arch.inference.sampling_seeds import samples_by_seed
from segsr_arch.scenes import upscale
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.scenes.network.sampling_model import SamplingModel, fits_scenes, sampling_within
from tests import networks
from tests.scenes.rasters import write_raster
from tests.support import TINY_PIXEL_DIFFUSION


@dataclass(frozen=True)
class Sampler:
    seed: int = 0
    steps: int = 4


class Noisy(nn.Module):
    """Enlarges by two and adds noise, one value for four times four pixels; less of it with more steps."""

    upscale = 2
    noise_stride = 4

    def __init__(self):
        super().__init__()
        self.sampler = Sampler()
        self.captions = []
        self.fails_at = None

    def forward(self, lq, captions=None, seed=None, *, sampler=None):
        self.captions.append(captions)
        if len(self.captions) == self.fails_at:
            raise KeyboardInterrupt
        height, width = (-(-2 * side // 4) for side in lq.shape[-2:])
        with noise_spaced(4):
            noise = noise_of((3, height, width), seed=self.sampler.seed if seed is None else seed, keys=())
        noise = noise.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, : 2 * lq.shape[-2], : 2 * lq.shape[-1]]
        return F.interpolate(lq, scale_factor=2) + 0.1 * noise / (sampler or self.sampler).steps


@pytest.fixture
def scene(tmp_path):
    values = np.random.default_rng(0).uniform(0.2, 0.8, (3, 45, 53)).astype("float32")
    return write_raster(tmp_path / "scene.tif", values)


def upscaled(scene, network, name, **options):
    """The values that come of it, and the report."""
    path = scene.replace("scene.tif", f"{name}.tif")
    report = upscale(scene, path, network, cog=False, **options)
    with rasterio.open(path) as dataset:
        return dataset.read(), report


@pytest.mark.parametrize(("tile", "overlap"), [(16, 4), (15, 3), (20, 7)])
def test_windows_of_any_size_give_the_sample_of_the_whole(scene, tile, overlap):
    whole, _ = upscaled(scene, Noisy(), "whole", tile=64)
    plain, _ = upscaled(scene, lambda lq: F.interpolate(lq, scale_factor=2), "plain", tile=64)
    assert np.std(whole - plain) == pytest.approx(0.025, rel=0.1)
    parts, _ = upscaled(scene, Noisy(), "parts", tile=tile, overlap=overlap, batch=3)
    np.testing.assert_allclose(parts, whole, atol=1e-6)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_network_that_draws_its_output_draws_it_from_a_field(name):
    network = networks.make(name)
    assert fits_scenes(network) == samples_by_seed(network) == (name in ("MSSD", "PixelDiffusion", "VLDM"))


def test_noise_of_two_stages_has_a_common_grid():
    stage = {"type": "PixelDiffusion", "scale": 2, **TINY_PIXEL_DIFFUSION, "block": 8}
    assert networks.make("VLDM", base=stage).noise_stride == 8 and networks.make("VLDM").noise_stride == 4


@pytest.mark.parametrize("name", ["PixelDiffusion", "VLDM"])
def test_tiny_diffusion_networks_draw_from_one_field(scene, name):
    stage = {"type": "PixelDiffusion", "scale": 2, **TINY_PIXEL_DIFFUSION, "sampler": {"steps": 1}}
    network = networks.make(name, correction="none", **({"base": stage} if name == "VLDM" else {}))
    whole, _ = upscaled(scene, network, "whole", seed=3, steps=1, tile=64)
    parts, _ = upscaled(scene, network, "parts", seed=3, steps=1, tile=32, overlap=16)
    assert np.array_equal(upscaled(scene, network, "again", seed=3, steps=1, tile=32, overlap=16)[0], parts)
    other, _ = upscaled(scene, network, "other", seed=4, steps=1, tile=64)
    assert np.std(parts - whole) < 0.1 * np.std(other - whole)


def test_what_was_interrupted_goes_on_with_the_noise_of_its_place(tmp_path):
    values = np.random.default_rng(1).uniform(0.2, 0.8, (3, 600, 20)).astype("float32")
    scene = write_raster(tmp_path / "scene.tif", values)
    tiles = {"tile": 32, "overlap": 7, "seed": 3}
    whole, _ = upscaled(scene, Noisy(), "whole", **tiles)
    interrupted, again = Noisy(), Noisy()
    interrupted.fails_at = 20
    with pytest.raises(KeyboardInterrupt):
        upscaled(scene, interrupted, "parts", **tiles)
    parts, _ = upscaled(scene, again, "parts", **tiles)
    assert np.array_equal(parts, whole)
    assert 0 < len(again.captions) < 24, "the first step is not done again"


def test_seed_and_steps_are_those_of_the_network_unless_others_are_given(scene):
    own, _ = upscaled(scene, Noisy(), "own")
    assert np.array_equal(upscaled(scene, Noisy(), "same", seed=0, steps=4)[0], own)
    assert not np.array_equal(upscaled(scene, Noisy(), "other", seed=1)[0], own)
    fewer, _ = upscaled(scene, Noisy(), "fewer", steps=1)
    assert np.std(fewer - own) > 0.05


def test_a_caption_reaches_the_network_and_stands_beside_the_output(scene):
    network = Noisy()
    _, report = upscaled(scene, network, "river", caption="a river")
    assert set(map(str, network.captions)) == {"['a river']"}
    assert report.caption == "a river" and "caption 'a river'" in report.line()
    beside = json.loads(Path(scene.replace("scene.tif", "river.tif.json")).read_text())
    assert beside["identity"]["options"]["caption"] == beside["report"]["caption"] == "a river"
    assert "seed" not in beside["identity"]["options"], "what nobody has asked for tells no job from another"


def test_another_seed_is_another_job(scene):
    upscaled(scene, Noisy(), "once", seed=1)
    assert upscaled(scene, Noisy(), "once", seed=1)[1].skipped
    with pytest.raises(ConfigError, match="options.seed: 1 then, 2 now"):
        upscaled(scene, Noisy(), "once", seed=2)


@pytest.mark.parametrize(
    ("network", "options", "message"),
    [
        ("EDSR", {"seed": 1, "steps": 2}, "--seed, --steps: EDSR gives one image for each input.* Leave them out"),
        ("EDSR", {"caption": "a river"}, "--caption: EDSR gives one image .* Leave it out"),
        ("PixelDiffusion", {"caption": "a river"}, "--caption: PixelDiffusion reads no words"),
        ("PixelDiffusion", {"ensemble": True}, "--ensemble: PixelDiffusion draws its output"),
    ],
)
def test_what_a_network_cannot_be_told_is_refused_at_once(scene, tmp_path, network, options, message):
    with pytest.raises(ConfigError, match=message):
        upscaled(scene, networks.make(network), "up", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_it_is_found_within_other_models_and_knows_which_windows_suit_it():
    found = sampling_within(as_scene_model(Noisy()))
    assert isinstance(found, SamplingModel) and found.unit == 2
    assert found.tile.size == 1024 and found.tile.overlap == 128
    assert sampling_within(as_scene_model(networks.make("EDSR"))) is None


def test_more_steps_than_the_schedule_has_are_refused_before_anything_is_written(scene, tmp_path):
    network = networks.make("PixelDiffusion")
    with pytest.raises(ConfigError, match="--steps: at most the 1000 of the schedule, got 5000"):
        upscale(scene, tmp_path / "sr.tif", network, steps=5000)
    assert not list(tmp_path.glob("sr*"))
