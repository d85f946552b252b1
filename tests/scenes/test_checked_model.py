import logging

import pytest
import torch

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.network.checked_model import CheckedModel
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.scenes.network.symmetries import turned
from segsr_arch.windows import Window


def places(count, height=24, width=24):
    return [Window(top=100 * place, left=7, height=height, width=width) for place in range(count)]


def repeat(images, scale=2):
    return images.repeat_interleave(scale, -2).repeat_interleave(scale, -1)


class Limited:
    """Repeats each pixel, and has no memory for more than so many of them."""

    scale = 2

    def __init__(self, pixels, error):
        self.pixels, self.error = pixels, error
        self.sizes = []

    def __call__(self, images):
        self.sizes.append((len(images), *images.shape[-2:]))
        if images[:, 0].numel() > self.pixels:
            raise self.error
        return repeat(images)


ERRORS = {
    "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    "cpu": RuntimeError(
        "[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: can't allocate memory: you tried to ..."
    ),
    "python": MemoryError(),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_less_is_done_at_once_where_memory_does_not_suffice_and_it_is_said_once(error, caplog):
    network = Limited(2 * 24 * 24, error)
    model = as_scene_model(network)
    tiles = torch.rand(7, 3, 24, 24)
    with caplog.at_level(logging.INFO):
        first = model(tiles, places(7))
        second = model(tiles, places(7))
    assert torch.equal(first, repeat(tiles)) and torch.equal(second, first)
    assert [size[0] for size in network.sizes] == [7, 3, 1, 1, 1, 1, 1, 1, 1, *[1] * 7]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING and "going on with 1" in record.getMessage()
    assert model.reduction in record.getMessage() and model.notes == (f"Limited: {model.reduction}",)


def test_a_tile_that_is_too_large_is_done_in_parts_without_a_hole(caplog):
    network = Limited(12 * 12, MemoryError())
    model = as_scene_model(network)
    tiles = torch.rand(3, 3, 24, 24)
    torch.testing.assert_close(model(tiles, places(3)), repeat(tiles))
    assert network.sizes[0][0] == 3 and network.sizes[-1] == (1, 12, 12)
    (record,) = caplog.records
    assert "parts of 12 x 12" in record.getMessage()
    before = len(network.sizes)
    model(tiles, places(3))
    assert set(network.sizes[before:]) == {(1, 12, 12)} and len(caplog.records) == 1


def test_what_changes_its_tiles_before_memory_runs_out_gets_them_anew():
    class Greedy(Limited):
        def __call__(self, images):
            images.add_(1)
            return super().__call__(images) - 1

    tiles = torch.rand(2, 3, 24, 24)
    before = tiles.clone()
    sr = as_scene_model(Greedy(24 * 24, MemoryError()))(tiles, places(2))
    torch.testing.assert_close(sr, repeat(before))
    assert torch.equal(tiles, before)


def test_it_gives_up_with_a_sentence_where_nothing_fits():
    with pytest.raises(DataError, match="Limited: memory does not suffice, not even for 12 x 12 LR pixels at once"):
        as_scene_model(Limited(0, MemoryError("no room")))(torch.rand(2, 3, 24, 24), places(2))


def test_other_errors_are_passed_on():
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        as_scene_model(Limited(0, RuntimeError("shapes do not fit")))(torch.rand(2, 3, 24, 24), places(2))


class Looking:
    """A model that looks at the scene: it gives the pixels of the windows that it is told, turned."""

    name, scale, extra, notes, identity = "looking", 1, 0, (), {}

    def __init__(self, scene, limit):
        self.scene, self.limit = scene, limit

    def for_scene(self, read, *, height, width):
        return self

    def __call__(self, tiles, windows, *, symmetry=0):
        if tiles.shape[-1] > self.limit:
            raise MemoryError
        return torch.stack([turned(self.scene[(..., *window.slices)], symmetry) for window in windows])


@pytest.mark.parametrize("symmetry", range(8))
def test_parts_of_tiles_keep_their_places_in_the_scene(symmetry):
    scene = torch.rand(3, 60, 80)
    windows = [Window(top=10, left=20, height=24, width=24), Window(top=30, left=0, height=24, width=24)]
    tiles = torch.stack([turned(scene[(..., *window.slices)], symmetry) for window in windows])
    model = as_scene_model(Looking(scene, limit=12)).for_scene(None, height=60, width=80)
    assert isinstance(model, CheckedModel)
    torch.testing.assert_close(model(tiles, windows, symmetry=symmetry), tiles)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_an_output_that_is_not_finite_is_refused_with_its_place(value):
    def broken(images):
        sr = repeat(images)
        sr[1, 0, 3, 4] = value
        return sr

    broken.scale = 2
    with pytest.raises(
        DataError, match=r"broken: .* in 1 of 6912 values, in the tile of LR rows 100 to 123 and columns 7"
    ):
        as_scene_model(broken)(torch.rand(3, 3, 24, 24), places(3))


def test_large_values_whose_sum_is_infinite_are_no_fault():
    tiles = torch.full((1, 3, 24, 24), 3e38)
    assert torch.equal(as_scene_model(lambda images: images, scale=1)(tiles, places(1)), tiles)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda images: images, r"expected \(48, 48\) for height and width, 2 times theirs"),
        (lambda images: repeat(images, 3), r"expected \(48, 48\) for height and width, 2 times theirs"),
        (lambda images: repeat(images)[:, :1], r"gives \(2, 1, 48, 48\) .* expected \(2, 3, 48, 48\), .* at scale 2"),
        (lambda images: repeat(images)[:1], r"gives \(1, 3, 48, 48\) .* expected \(2, 3, 48, 48\), .* at scale 2"),
    ],
)
def test_an_output_of_a_wrong_size_is_refused_with_what_was_expected(network, message):
    with pytest.raises(ConfigError, match=message):
        as_scene_model(network, scale=2)(torch.rand(2, 3, 24, 24), places(2))
