import numpy as np
import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.regions import Region, find_region, region_size
from tests.support import make_image


def noisy(image, seed, *, top, left, side, amount):
    rng = np.random.default_rng(seed)
    found = image.astype(int)
    found[top : top + side, left : left + side] += rng.integers(-amount, amount + 1, (side, side, 3))
    return found.clip(0, 255).astype(np.uint8)


def test_the_region_lies_where_methods_differ():
    gt = make_image(0, 160, 200)
    # Both are worst at the upper left, alike; they differ at the lower right.
    bad = noisy(gt, 1, top=8, left=8, side=40, amount=80)
    worse = noisy(bad, 2, top=100, left=140, side=40, amount=30)
    region = find_region(gt, [bad, worse], scale=4)
    assert (region.width, region.height) == (40, 40)
    assert (region.x, region.y) == (140, 100)
    assert find_region(gt, [worse, bad], scale=4) == region


def test_brightness_alone_does_not_count():
    gt = make_image(0, 128, 128) // 2 + 60
    ramp = np.linspace(50, 0, 128).round().astype(np.uint8)[None, :, None]  # brightest at the left
    textured = noisy(gt + ramp, 3, top=80, left=80, side=32, amount=30)
    assert find_region(gt, [gt, textured], scale=4) == Region(x=80, y=80, width=32, height=32)


def test_the_first_of_equal_regions_is_taken_inside_the_border():
    gt = make_image(0, 128, 96)
    assert find_region(gt, [gt, gt], scale=4) == Region(x=4, y=4, width=24, height=24)


@pytest.mark.parametrize(
    ("shape", "scale", "size"),
    [((256, 256), 4, (64, 64)), ((600, 800), 3, (126, 126)), ((2000, 3000), 4, (128, 128)), ((10, 40), 4, (10, 16))],
)
def test_the_size_follows_the_image(shape, scale, size):
    assert region_size(shape, scale) == size
    gt = np.zeros((*shape, 3), np.uint8)
    find_region(gt, [gt, gt], scale=scale).check(shape, "image")


def test_regions_outside_the_image_are_refused_by_name():
    Region(x=0, y=0, width=30, height=10).check((10, 30, 3), "farm01")
    with pytest.raises(ConfigError, match="does not lie in farm01, which is 30 pixels wide and 10 high"):
        Region(x=1, y=0, width=30, height=10).check((10, 30, 3), "farm01")
    with pytest.raises(ConfigError, match="at least 0"):
        Region(x=-1, y=0, width=3, height=3).check((10, 30), "farm01")
    with pytest.raises(ConfigError, match="at least 0, width and height at least 1"):
        Region(x=1, y=0, width=0, height=3).check((10, 30), "farm01")
    with pytest.raises(ConfigError, match="3 times as long"):
        Region(x=0, y=0, width=30, height=2).check((10, 30), "farm01")


def test_one_method_has_no_differences():
    gt = make_image(0)
    with pytest.raises(DataError, match="at least two methods"):
        find_region(gt, [gt], scale=4)
    with pytest.raises(DataError, match="different sizes"):
        find_region(gt, [gt, gt[:32]], scale=4)
