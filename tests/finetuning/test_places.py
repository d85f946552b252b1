"""Which tiles are for training and which for validation: nothing is seen from both sides."""

import itertools

import pytest

from segsr_arch.finetuning.places import blocks_of, divide
from segsr_arch.windows import Window

TILE = 64


def cut(name, height, width):
    return blocks_of(name, height, width, tile=TILE, least=32, val=0.1)


def divided(blocks, *, keep=lambda split, tile: True, on_ground=lambda name, window: None, **changed):
    options = {"val": 0.1, "seed": 0, "most_train": 1000, "most_val": 1000, **changed}
    return divide(blocks, keep=keep, on_ground=on_ground, **options)


def gap(one, other):
    """Pixels between two windows, along the axis on which they are farther apart."""
    across = max(one.left - other.right, other.left - one.right)
    return max(across, one.top - other.bottom, other.top - one.bottom)


def test_tiles_cover_a_raster_and_narrow_edges_are_left_out():
    tiles = [tile for block in cut("a", 5 * TILE + 40, 4 * TILE + 20) for tile in block.tiles]
    assert sum(tile.window.height * tile.window.width for tile in tiles) == (5 * TILE + 40) * 4 * TILE
    assert not any(one.window.intersection(other.window) for one, other in itertools.combinations(tiles, 2))
    assert len({tile.name for tile in tiles}) == len(tiles) == 24


def test_small_images_are_one_tile_as_they_are():
    (block,) = cut("small", 2 * TILE, TILE)
    assert block.tiles[0].window == Window(height=2 * TILE, width=TILE) and block.margin == 0
    assert cut("tiny", 31, 200) == [] and len(cut("large", 2 * TILE + 32, TILE)) == 3


@pytest.mark.parametrize("seed", range(5))
def test_training_keeps_one_tiles_side_away_from_places_of_validation(seed):
    blocks = cut("a", 16 * TILE, 16 * TILE)
    found = divided(blocks, seed=seed)
    assert 0.1 * 256 <= len(found.val) <= 0.1 * 256 + 16
    assert all(gap(one.window, other.window) >= TILE for one in found.train for other in found.val)
    assert len(found.train) + len(found.val) + found.near == 256
    assert found == divided(blocks[::-1], seed=seed)  # names and the seed alone count
    assert found != divided(blocks, seed=seed + 5)


def test_whole_images_are_divided_where_they_are_small():
    blocks = [block for number in range(40) for block in cut(f"image_{number}", 100, 100)]
    found = divided(blocks, val=0.2)
    assert (len(found.train), len(found.val), found.near) == (32, 8, 0)


def test_what_another_raster_shows_of_a_place_of_validation_is_not_trained_on():
    """The same ground twice, the second time moved by half a tile: degrees are hundredths of a pixel here."""
    moved = {"a": 0, "b": TILE // 2}
    blocks = cut("a", 8 * TILE, 8 * TILE) + cut("b", 8 * TILE, 8 * TILE)

    def on_ground(name, window):
        left, top = window.left + moved[name], window.top
        return left / 100, -(top + window.height) / 100, (left + window.width) / 100, -top / 100

    found = divided(blocks, on_ground=on_ground)
    places = [
        Window(top=t.window.top, left=t.window.left + moved[t.source], height=TILE, width=TILE) for t in found.val
    ]
    trained = [
        Window(top=t.window.top, left=t.window.left + moved[t.source], height=TILE, width=TILE) for t in found.train
    ]
    assert {tile.source for tile in found.train} == {"a", "b"}
    assert all(gap(one, other) > 0 for one in trained for other in places)
    apart = divided(blocks)
    assert len(apart.train) > len(found.train)


def test_the_180th_meridian_hides_no_place_of_validation():
    """The same ground twice, counted from the other side the second time."""
    turned = {"a": 0.0, "b": -360.0}

    def on_ground(name, window):
        west = 179.9 + turned[name]
        return west + window.left / 1000, 0.0, west + window.right / 1000, 0.0 + 1

    found = divided([*cut("a", 6 * TILE, 6 * TILE), *cut("b", 6 * TILE, 6 * TILE)], on_ground=on_ground)
    others = [(one, other) for one in found.train for other in found.val if one.source != other.source]
    assert others and all(one.window.left != other.window.left for one, other in others)


def test_a_block_of_which_nothing_can_be_used_is_no_place_of_validation():
    blocks = cut("a", 16 * TILE, 16 * TILE)
    usable = lambda split, tile: tile.window.left >= 8 * TILE  # noqa: E731
    found = divided(blocks, keep=usable)
    assert len(found.val) >= 0.1 * 256 and all(tile.window.left >= 8 * TILE for tile in (*found.train, *found.val))


def test_no_more_tiles_are_read_than_are_asked_for():
    asked = []
    found = divided(
        cut("a", 32 * TILE, 32 * TILE), keep=lambda split, tile: not asked.append(tile), most_train=20, most_val=10
    )
    assert len(found.train) == 20 and 10 <= len(found.val) < 26
    assert len(asked) == len(found.train) + len(found.val) and found.unseen == 1024 - len(asked) - found.near
