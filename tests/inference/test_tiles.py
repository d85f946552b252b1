import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.inference.blending import BlendingWeights, axis_weights
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.inference.tiles import Tile, blend, super_resolve_windows
from segsr_arch.windows import Window, WindowGrid
from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake


def enlarge(scale):
    return lambda lq: lq.repeat_interleave(scale, -1).repeat_interleave(scale, -2)


@settings(max_examples=60)
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
    tiled = super_resolve(enlarge(scale), lq, scale=scale, tile=options)
    torch.testing.assert_close(tiled, enlarge(scale)(lq), atol=1e-5, rtol=1e-5)


def test_tiles_that_disagree_leave_no_step():
    # Each tile comes back with a grey level of its own: the worst case for a seam.
    levels = iter([0.0, 1.0])
    lq = torch.zeros(1, 1, 8, 28)
    options = TileOptions(size=16, overlap=4)
    blended = super_resolve(lambda t: torch.full_like(t, next(levels)), lq, scale=1, tile=options)[0, 0, 0]
    assert blended[0] == 0 and blended[-1] == 1
    steps = blended.diff()
    assert (steps >= 0).all() and steps.max() < 0.3
    hard = super_resolve(enlarge(1), F.pad(torch.zeros(1, 1, 8, 14), (0, 14), value=1.0), scale=1, tile=options)
    assert hard.diff(dim=-1).max() == 1  # a real edge of the image stays an edge


def test_an_error_in_a_tile_is_not_swallowed():
    def fail(_tile):
        raise MemoryError("out of memory")

    with pytest.raises(MemoryError):
        super_resolve(fail, torch.rand(1, 3, 8, 8), scale=2, tile=TileOptions(size=4, overlap=1))


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
    tiled = super_resolve(network, lq, scale=2, tile=options)
    assert batches == [4, 2]  # three tiles of two images
    torch.testing.assert_close(tiled, enlarge(2)(lq))


@pytest.mark.parametrize("batch", [0, -1, True, 1.5, "4"])
def test_a_batch_of_tiles_is_a_whole_number_from_one_on(batch):
    with pytest.raises(ConfigError, match="tile: batch: must be"):
        TileOptions.from_options({"batch": batch})


def test_tiles_come_row_by_row_and_a_writer_needs_to_hold_no_more_than_a_row_of_them():
    lq = torch.rand(1, 3, 50, 34)
    windows = WindowGrid(height=50, width=34, size=16, overlap=6)
    tiles = super_resolve_windows(
        lambda tiles, _windows: enlarge(2)(tiles) + 0.1 * torch.rand(tiles.shape[0], 1, 1, 1),
        lambda window: lq[(..., *window.slices)],
        windows,
        weights=BlendingWeights(windows, scale=2),
        scale=2,
        batch=4,
    )
    tiles = list(tiles)
    rows = [0, *(2 * top for top in windows.tops[1:]), 100]
    written = []
    for first, end in zip(rows, rows[1:], strict=False):
        band = Window(top=first, height=end - first, width=68)
        part = [tile for tile in tiles if tile.window.top < end]
        assert all(tile.window.top >= end for tile in tiles[len(part) :]), "what comes later lies below"
        cut = [
            Tile(
                window=shared.relative_to(band),
                sr=tile.sr[(..., *shared.relative_to(tile.window).slices)],
                weights=tile.weights[shared.relative_to(tile.window).slices],
            )
            for tile in part
            if (shared := tile.window.intersection(band)) is not None
        ]
        written.append(blend(cut, size=(1, 3, band.height, band.width)))
    assert torch.equal(torch.cat(written, dim=-2), blend(tiles, size=(1, 3, 100, 68)))


@settings(max_examples=60)
@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 20), data=st.data())
def test_weights_sum_to_one_exactly_whatever_the_order_of_the_tiles(height, width, size, data):
    windows = WindowGrid(height=height, width=width, size=size, overlap=data.draw(st.integers(0, size - 1)))
    scale = data.draw(st.integers(1, 4))
    weights = BlendingWeights(windows, scale=scale)
    places = data.draw(st.permutations(list(windows)))
    total = torch.zeros(height * scale, width * scale)
    for window in places:
        total[window.scaled(scale).slices] += weights.at(window)
    assert torch.equal(total, torch.ones_like(total))


def test_weights_rise_from_the_edge_of_a_window_over_the_overlap():
    first, last = axis_weights((0, 6), 10, 4)
    assert first.tolist() == [1024] * 6 + [896, 640, 384, 128]
    assert last.tolist() == [128, 384, 640, 896] + [1024] * 6
    assert axis_weights((0,), 3, 2)[0].tolist() == [1024] * 3  # a real edge of the image


@settings(max_examples=40)
@given(level=st.floats(2**-20, 1, width=32), size=st.integers(1, 20), data=st.data())
def test_a_constant_stays_the_same_number(level, size, data):
    lq = torch.full((1, 3, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))), level)
    tile = TileOptions(size=size, overlap=data.draw(st.integers(0, size - 1)))
    blended = super_resolve(enlarge(2), lq, scale=2, tile=tile)
    torch.testing.assert_close(blended, torch.full_like(blended, level), rtol=1e-6, atol=0)  # of float32 sums


def test_a_guided_network_is_told_where_its_tiles_lie_and_guides_them_by_the_whole_image():
    network = shake(build("EDSR")).eval()
    lq = images(64, 64)
    seen = []

    def told(tiles, windows):
        seen.extend(windows)
        return network(tiles, signals=signals.at(*windows))

    with torch.no_grad():
        signals = network.signals(lq)
        whole = network(lq)
        windows = WindowGrid(height=64, width=64, size=48, overlap=32)
        weights = BlendingWeights(windows, scale=2)
        read = lambda window: lq[(..., *window.slices)]  # noqa: E731
        tiles = super_resolve_windows(told, read, windows, weights=weights, scale=2, batch=3)
        blended = blend(tiles, size=whole.shape)
        alone = super_resolve(network, lq, scale=2, tile=TileOptions(size=48, overlap=32))
    assert seen == list(windows)
    inside = (..., slice(52, 76), slice(52, 76))  # away from the borders of tiles, where convolutions see zeros
    assert (blended - whole)[inside].abs().max() < 1e-5 < 1e-4 < (alone - whole)[inside].abs().max()
