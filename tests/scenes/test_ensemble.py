import pytest
import torch
from torch.nn import functional

from segsr_arch.archs.bicubic_arch import Bicubic
from segsr_arch.scenes.network import symmetries
from segsr_arch.scenes.network.ensemble import Ensemble
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.scenes.network.scene_model import ModelAround, SceneModel
from segsr_arch.windows import Window

SIZES = ((8, 8), (6, 11))


def nearest(tiles):
    return functional.interpolate(tiles, scale_factor=2, mode="nearest")


def darker_to_the_right(tiles):
    """A model that knows right from left: its answers to a flat tile depend on how that is turned."""
    sr = nearest(tiles)
    return sr + torch.linspace(0, 1, sr.shape[-1])


class Recording(ModelAround):
    """Notes how its tiles are said to be turned, and checks it on the tiles."""

    def __init__(self, inner, scene):
        super().__init__(inner)
        self.scene = scene
        self.turns = []
        self.read = None

    def __call__(self, tiles, windows, *, symmetry=0):
        for tile, window in zip(tiles, windows, strict=True):
            assert torch.equal(tile, symmetries.turned(self.scene[(..., *window.slices)], symmetry))
        self.turns.append(symmetry)
        return self.inner(tiles, windows, symmetry=symmetry)

    def for_scene(self, read, *, height, width):
        ready = Recording(self.inner, self.scene)
        ready.read = read
        return ready


def places(height, width, count=2):
    return [Window(top=3 * i, left=2 * i, height=height, width=width) for i in range(count)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_inner_model_sees_all_eight_and_is_told_which(height, width):
    scene = torch.rand(3, 20, 20, generator=torch.Generator().manual_seed(0))
    inner = Recording(as_scene_model(nearest, scale=2), scene)
    ensemble = Ensemble(inner)
    assert isinstance(ensemble, SceneModel) and ensemble.extra == 1 and ensemble.scale == 2
    windows = places(height, width)
    tiles = torch.stack([scene[(..., *window.slices)] for window in windows])
    sr = ensemble(tiles, windows)
    assert sorted(inner.turns) == list(range(8))
    assert torch.equal(sr[:, :3], nearest(tiles)) and not sr[:, 3].any()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_what_turns_with_its_input_has_no_spread(height, width):
    tiles = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    model = as_scene_model(Bicubic(upscale=4))
    sr = Ensemble(model)(tiles, places(height, width))
    assert torch.allclose(sr[:, :3], model(tiles, places(height, width)), atol=1e-6)
    assert sr.shape == (2, 4, 4 * height, 4 * width)
    assert sr[:, 3].max() < 1e-5


@pytest.mark.parametrize("symmetry", range(8))
def test_mean_and_spread_are_those_of_the_eight_answers(symmetry):
    height, width = 6, 6
    tiles = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(2))
    answers = torch.stack(
        [symmetries.turned_back(darker_to_the_right(symmetries.turned(tiles, turn)), turn) for turn in range(8)]
    ).double()
    spread = answers.std(dim=0, correction=0).mean(dim=1, keepdim=True)
    assert spread.max() > 0.2
    expected = symmetries.turned(torch.cat([answers.mean(dim=0), spread], dim=1).float(), symmetry)
    model = Ensemble(as_scene_model(darker_to_the_right, scale=2))
    sr = model(symmetries.turned(tiles, symmetry), places(height, width, 1), symmetry=symmetry)
    assert torch.allclose(sr, expected, atol=1e-6)


def test_it_is_another_model_for_a_job_and_gets_ready_for_a_scene():
    inner = Recording(as_scene_model(nearest, scale=2), None)
    ensemble = Ensemble(inner)
    assert ensemble.identity != inner.identity and ensemble.name == inner.name
    read = object()
    ready = ensemble.for_scene(read, height=9, width=9)
    assert isinstance(ready, Ensemble) and ready.inner.read is read
