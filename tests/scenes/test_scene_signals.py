"""Signals of a scene, put together from views: what they are made of, and that tiles and their order do not matter."""

import pytest
import torch
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.scenes.network import scene_signals
from segsr_arch.scenes.network.scene_signals import SceneSignals, Views
from segsr_arch.scenes.network.symmetries import COUNT, turned
from segsr_arch.semantics.maps import cosine_maps
from segsr_arch.windows import Window, WindowGrid
from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake
from tests.guiding.test_signals import GUIDES, shown, tile_of

SMALL = Views(size=16, overlap=8, neighbourhood=24)


class Scene:
    """A drawn scene that notes what is read of it."""

    def __init__(self, height, width):
        self.image = images(height, width)[0]
        self.reads = []

    def __call__(self, window):
        self.reads.append(window)
        return tile_of(self.image, window)

    def signals(self, network, views=SMALL):
        height, width = self.image.shape[-2:]
        return SceneSignals(network.guide, self, height=height, width=width, views=views)


def guided(scale=2, **semantics):
    return shake(build("MSRResNet", scale, **semantics)).eval()


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("semantics", GUIDES, ids=str)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_scene_of_one_view_is_guided_as_in_one_piece(scale, semantics):
    network, scene = guided(scale, **semantics), Scene(16, 24)
    views = Views(size=24, overlap=8, neighbourhood=24)
    signals = scene.signals(network, views)
    whole = signals.at([Window(height=16, width=24)])
    lq = scene.image[None]
    assert torch.equal(whole.values, network.signals(lq).values)
    assert torch.equal(network(lq, signals=whole), network(lq))
    tile = Window(top=3, left=10, height=9, width=12)
    for part, all_of_it in zip(shown(network, tile_of(lq, tile), signals.at([tile])), shown(network, lq), strict=True):
        torch.testing.assert_close(torch.tensor(part), torch.tensor(tile_of(all_of_it, tile)), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("scale", "size"), [(2, (13, 19)), (3, (13, 19)), (4, (1, 21)), (3, (1, 1))])
def test_a_scene_that_is_no_whole_number_of_patches_is_guided_as_in_one_piece(scale, size):
    network, scene = guided(scale), Scene(*size)
    whole = Window(height=size[0], width=size[1])
    lq = scene.image[None]
    given = shown(network, lq, scene.signals(network, Views(size=24, overlap=8, neighbourhood=24)).at([whole]))
    for part, expected in zip(given, shown(network, lq), strict=True):
        torch.testing.assert_close(torch.tensor(part), torch.tensor(expected), rtol=0, atol=1e-5)


def test_views_are_blended_and_the_global_feature_is_interpolated():
    """Two views side by side share half; two neighbourhoods share half, too, and are reduced to a view's size."""
    network, scene = guided(), Scene(16, 48)  # a patch is 4 LR pixels wide
    views = Views(size=32, overlap=16, neighbourhood=40)
    guide = network.guide

    def global_feature(left):
        image = scene.image[None, :, :, left : left + 40]
        return guide.feature_extraction(F.interpolate(image, size=(13, 32), mode="area"))[0]

    def maps(left, feature):
        _, local_features = guide.feature_extraction(scene.image[None, :, :, left : left + 32])
        return cosine_maps(guide.localization(feature), local_features)[0]

    first, last = global_feature(0), global_feature(8)  # centres at 20 and 28; those of the views at 16 and 32
    expected = torch.zeros(2, 4, 12)
    ramp = (torch.arange(4) + 0.5) / 4
    weights = torch.cat([torch.ones(4), 1 - ramp])
    expected[..., :8] += maps(0, first) * weights
    expected[..., 4:] += maps(16, last) * weights.flip(0)
    cells = scene.signals(network, views).at([Window(height=16, width=48)]).values[0]
    torch.testing.assert_close(cells, expected, rtol=0, atol=2e-4)


@pytest.mark.parametrize("semantics", GUIDES, ids=str)
def test_tiles_may_come_in_any_order_and_company(semantics):
    network, scene = guided(3, **semantics), Scene(50, 61)
    tiles = list(WindowGrid(height=50, width=61, size=20, overlap=4))
    one = scene.signals(network)
    alone = [one.at([tile]).values for tile in tiles]
    other = scene.signals(network)
    for group in (tiles[::-3], tiles[1:4], tiles[::2]):
        for tile, values in zip(group, other.at(group).values, strict=True):
            assert torch.equal(values[None], alone[tiles.index(tile)])


def test_what_is_kept_of_views_changes_nothing_but_how_often_they_are_read(monkeypatch):
    network, scene = guided(), Scene(32, 160)
    tiles = list(WindowGrid(height=32, width=160, size=16, overlap=4))
    signals = scene.signals(network)
    scene.reads.clear()
    kept = [signals.at([tile]).values for tile in tiles]
    assert len(set(scene.reads)) == len(scene.reads), "nothing is read twice"
    assert all(max(window.height, window.width) <= SMALL.neighbourhood for window in scene.reads)
    monkeypatch.setattr(scene_signals, "_MOST_KEPT", 1)
    signals = scene.signals(network)
    scene.reads.clear()
    for tile, expected in zip(tiles, kept, strict=True):
        assert torch.equal(signals.at([tile]).values, expected)
    assert len(set(scene.reads)) < len(scene.reads)


def test_overlapping_tiles_are_shown_the_same_where_they_meet():
    network, scene = guided(map_upsampling="learned", learned_map_scale=True), Scene(60, 60)
    signals = scene.signals(network)
    one, other = Window(top=17, left=11, height=20, width=20), Window(top=17, left=23, height=20, width=20)
    lq = scene.image[None]
    parts = [shown(network, tile_of(lq, tile), signals.at([tile])) for tile in (one, other)]
    for left, right in zip(*parts, strict=True):
        torch.testing.assert_close(torch.tensor(left[..., 12:]), torch.tensor(right[..., :8]), rtol=0, atol=1e-5)
        assert left.std() > 1e-3
    alone = [shown(network, tile_of(lq, tile)) for tile in (one, other)]
    assert any(abs(left[..., 12:] - right[..., :8]).max() > 1e-3 for left, right in zip(*alone, strict=True))


@pytest.mark.parametrize("symmetry", range(COUNT))
@pytest.mark.parametrize("scale", [2, 3])
def test_signals_are_turned_with_their_tiles(scale, symmetry):
    network, scene = guided(scale), Scene(50, 61)
    signals = scene.signals(network)
    tiles = [Window(top=top, left=left, height=12, width=18) for top, left in ((0, 0), (17, 21), (38, 43))]
    lq = torch.stack([tile_of(scene.image, tile) for tile in tiles])
    straight = shown(network, lq, signals.at(tiles))
    around = shown(network, turned(lq, symmetry), signals.at(tiles, symmetry=symmetry))
    for before, after in zip(straight, around, strict=True):
        torch.testing.assert_close(torch.tensor(after), turned(torch.tensor(before), symmetry), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("scale", "standardised"), [(2, False), (3, False), (4, False), (2, True)])
def test_maps_at_lr_resolution_are_those_that_guide(scale, standardised):
    network, scene = guided(scale, standardised_maps=standardised), Scene(50, 61)
    signals = scene.signals(network)
    tiles = [Window(top=top, left=left, height=12, width=12) for top, left in ((0, 0), (17, 21), (38, 49))]
    maps = signals.maps(tiles)
    assert maps.shape == (3, 2, 12, 12) and (maps.abs().max() <= 1) != standardised
    lq = torch.stack([tile_of(scene.image, tile) for tile in tiles])
    for unit, guiding in enumerate(shown(network, lq, signals.at(tiles))):
        torch.testing.assert_close(maps[:, unit], torch.tensor(guiding)[:, 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("values", [{"size": 16, "overlap": 16}, {"overlap": -1}, {"neighbourhood": 32}], ids=str)
def test_sizes_that_do_not_fit_are_refused(values):
    with pytest.raises(ConfigError, match="views: need 0 <= overlap < size <= neighbourhood"):
        Views(**values)


def test_every_cell_has_one_value_whatever_tile_asks():
    """The same place of two frames is the same to the last bit, so a tile may be computed again at any time."""
    network, scene = guided(), Scene(60, 60)
    signals = scene.signals(network)
    frames = [
        signals.at([Window(top=top, left=left, height=20, width=20)]).values for top, left in ((12, 12), (20, 28))
    ]
    assert torch.equal(frames[0][..., 2:, 3:], frames[1][..., :-2, :-3])  # they begin at cells (0, 0) and (2, 3)
    assert not torch.equal(frames[0], frames[1])


def test_views_like_tiles():
    assert Views.like_tiles(64) == Views()
    assert Views.like_tiles(1) == Views(size=1, overlap=0, neighbourhood=4)
