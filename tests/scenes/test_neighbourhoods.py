import pytest
import torch

from segsr_arch.scenes.network.neighbourhoods import Neighbourhoods
from segsr_arch.windows import Window


def ramp(height, width, **options):
    """Neighbourhoods whose feature is the mean column of what is seen of them, and the sizes that are seen."""
    image = torch.arange(width, dtype=torch.float32).expand(3, height, width)
    sizes = []

    def extract(seen):
        sizes.append(tuple(seen.shape[-2:]))
        return seen.mean((-1, -2))[:, :1]

    options = {"side": 32, "seen": 16, **options}
    return Neighbourhoods(
        extract, lambda window: image[(..., *window.slices)], height=height, width=width, **options
    ), sizes


@pytest.mark.parametrize(
    ("left", "width", "expected"),
    [
        (0, 32, 15.5),  # the first neighbourhood itself
        (16, 32, 31.5),  # the second
        (8, 32, 23.5),  # half-way
        (12, 32, 27.5),
        (0, 4, 15.5),  # before the first centre
        (96, 4, 83.5),  # behind the last one, which ends with the scene
        (65, 32, 80.5),  # between two that are nearer to each other than the others
    ],
)
def test_the_feature_changes_gradually_between_the_centres(left, width, expected):
    neighbourhoods, sizes = ramp(20, 100)
    feature = neighbourhoods.at(Window(top=0, left=left, height=20, width=width))
    assert feature.shape == (1, 1)
    assert feature.item() == pytest.approx(expected, abs=1e-4)
    assert set(sizes) == {(10, 16)}, "20 x 32 pixels are reduced to half"


def test_what_is_no_larger_than_a_view_is_seen_as_it_is():
    neighbourhoods, sizes = ramp(9, 13)
    neighbourhoods.at(Window(height=9, width=13))
    assert sizes == [(9, 13)]


def test_a_neighbourhood_is_seen_once():
    neighbourhoods, sizes = ramp(100, 100)
    for top in range(0, 90, 7):
        for left in range(0, 90, 7):
            neighbourhoods.at(Window(top=top, left=left, height=10, width=10))
    assert len(sizes) == 6 * 6  # 0, 16, ..., 64 and 68
