import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.inference.tiles import TileOptions, super_resolve_tiled


def enlarge(scale):
    return lambda lq: lq.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    tile=st.integers(1, 24),
    data=st.data(),
    scale=st.sampled_from([2, 3, 4]),
)
def test_a_pointwise_network_gives_its_own_output_for_every_tiling(size, tile, data, scale):
    overlap, batch = data.draw(st.integers(0, tile - 1)), data.draw(st.integers(1, 5))
    options = TileOptions(size=tile, overlap=overlap, batch=batch)
    lq = torch.rand(data.draw(st.integers(1, 2)), 3, *size)
    tiled = super_resolve_tiled(enlarge(scale), lq, scale=scale, options=options)
    torch.testing.assert_close(tiled, enlarge(scale)(lq), atol=1e-5, rtol=1e-5)


def test_tiles_that_disagree_leave_no_step():
    # Each tile comes back with a grey level of its own: the worst case for a seam.
    levels = iter([0.0, 1.0])
    lq = torch.zeros(1, 1, 8, 28)
    options = TileOptions(size=16, overlap=4)
    blended = super_resolve_tiled(lambda t: torch.full_like(t, next(levels)), lq, scale=1, options=options)[0, 0, 0]
    assert blended[0] == 0 and blended[-1] == 1
    steps = blended.diff()
    assert (steps >= 0).all() and steps.max() < 0.3
    hard = super_resolve_tiled(
        enlarge(1), F.pad(torch.zeros(1, 1, 8, 14), (0, 14), value=1.0), scale=1, options=options
    )
    assert hard.diff(dim=-1).max() == 1  # a real edge of the image stays an edge


def test_an_error_in_a_tile_is_not_swallowed():
    def fail(_tile):
        raise MemoryError("out of memory")

    with pytest.raises(MemoryError):
        super_resolve_tiled(fail, torch.rand(1, 3, 8, 8), scale=2, options=TileOptions(size=4, overlap=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 8, "overlap": 8}, "overlap: must be from 0 to size - 1; got size 8 and overlap 8"),
        ({"size": 8.5}, "size: must be a whole number"),
        ({"tile_size": 8}, "tile_size is not an option; did you mean size"),
    ],
)
def test_wrong_tiles_are_explained(options, message):
    with pytest.raises(ConfigError, match=message):
        TileOptions.from_options(options)
    assert TileOptions.from_options(None) is None


def test_the_network_gets_so_many_tiles_at_once_and_each_comes_back_to_its_place():
    batches = []

    def network(tiles):
        batches.append(len(tiles))
        return enlarge(2)(tiles)

    lq = torch.rand(2, 3, 16, 40)
    options = TileOptions(size=16, overlap=4, batch=2)
    tiled = super_resolve_tiled(network, lq, scale=2, options=options)
    assert batches == [4, 2]  # three tiles of two images
    torch.testing.assert_close(tiled, enlarge(2)(lq))


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "4"])
def test_a_batch_of_tiles_is_a_whole_number_from_one_on(batch):
    with pytest.raises(ConfigError, match="tile: batch: must be"):
        TileOptions.from_options({"batch": batch})
