import pytest
import torch

from segsr_arch.scenes.network.symmetries import COUNT, place_after, place_before, turned, turned_back
from segsr_arch.windows import Window

SCENE = torch.arange(20 * 30).reshape(20, 30)
WHOLE = Window(top=3, left=5, height=7, width=10)


def test_the_eight_differ_and_are_undone():
    tile = SCENE[WHOLE.slices]
    results = [turned(tile, symmetry) for symmetry in range(COUNT)]
    assert len({tuple(result.flatten().tolist()) + tuple(result.shape) for result in results}) == 8
    assert torch.equal(results[0], tile)
    assert all(torch.equal(turned_back(result, symmetry), tile) for symmetry, result in enumerate(results))


@pytest.mark.parametrize("symmetry", range(COUNT))
def test_a_part_of_a_turned_tile_is_found_in_the_scene(symmetry):
    tile = turned(SCENE[WHOLE.slices], symmetry)
    part = Window(top=1, left=2, height=4, width=3)
    place = place_before(part, WHOLE, symmetry)
    assert torch.equal(turned(SCENE[place.slices], symmetry), tile[part.slices])


@pytest.mark.parametrize("symmetry", range(COUNT))
def test_a_part_of_a_scene_is_found_in_the_turned_tile(symmetry):
    part = Window(top=4, left=8, height=3, width=6)
    place = place_after(part, WHOLE, symmetry)
    tile = turned(SCENE[WHOLE.slices], symmetry)
    assert torch.equal(tile[place.slices], turned(SCENE[part.slices], symmetry))
    assert place_before(place, WHOLE, symmetry) == part
