import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from segsr_arch.errors import ConfigError
from segsr_arch.windows import Window, WindowGrid, window_starts

SIDES = st.integers(1, 40)
WINDOWS = st.builds(Window, top=st.integers(0, 20), left=st.integers(0, 20), height=SIDES, width=SIDES)
IMAGE = np.arange(60 * 60).reshape(60, 60)


def cut(image, window):
    return image[(..., *window.slices)]


@st.composite
def grids(draw):
    size = draw(st.integers(1, 24))
    overlap = draw(st.integers(0, size - 1))
    return WindowGrid(height=draw(SIDES), width=draw(SIDES), size=size, overlap=overlap)


@given(window=WINDOWS)
def test_slices_cut_the_pixels_of_the_window(window):
    pixels = cut(IMAGE, window)
    assert pixels.shape == (window.height, window.width)
    assert (
        pixels[0, 0] == IMAGE[window.top, window.left] and pixels[-1, -1] == IMAGE[window.bottom - 1, window.right - 1]
    )


@given(window=WINDOWS, factor=st.integers(1, 4))
def test_a_scaled_window_cuts_the_same_place_of_an_enlarged_image(window, factor):
    enlarged = IMAGE.repeat(factor, 0).repeat(factor, 1)
    expected = cut(IMAGE, window).repeat(factor, 0).repeat(factor, 1)
    assert np.array_equal(cut(enlarged, window.scaled(factor)), expected)


@given(one=WINDOWS, other=WINDOWS)
def test_an_intersection_is_the_pixels_of_both(one, other):
    shared = one.intersection(other)
    pixels = set() if shared is None else set(cut(IMAGE, shared).ravel())
    assert pixels == set(cut(IMAGE, one).ravel()) & set(cut(IMAGE, other).ravel())
    assert shared == other.intersection(one)
    slices = one.shared_with(other)
    assert (slices is None) == (shared is None)
    if slices is not None:
        own, others = (cut(IMAGE, whole)[place] for whole, place in zip((one, other), slices, strict=True))
        assert np.array_equal(own, cut(IMAGE, shared)) and np.array_equal(others, own)


@given(window=WINDOWS, margin=st.integers(0, 9), outer=WINDOWS)
def test_a_window_grows_as_far_as_the_one_that_it_lies_in_goes(window, margin, outer):
    inner = window.intersection(outer)
    assume(inner is not None)
    rows, columns = (
        set(range(first - margin, last + margin))
        for first, last in ((inner.top, inner.bottom), (inner.left, inner.right))
    )
    grown = inner.grown(margin, within=outer)
    assert set(range(grown.top, grown.bottom)) == rows & set(range(outer.top, outer.bottom))
    assert set(range(grown.left, grown.right)) == columns & set(range(outer.left, outer.right))
    assert np.array_equal(cut(cut(IMAGE, grown), inner.relative_to(grown)), cut(IMAGE, inner))


def test_windows_are_values():
    window = Window(top=1, left=2, height=3, width=4)
    assert window == Window(top=1, left=2, height=3, width=4) and len({window, dataclasses.replace(window)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        window.top = 0


@pytest.mark.parametrize("wrong", [{"top": -1}, {"left": -1}, {"height": 0}, {"width": -2}])
def test_places_that_are_in_no_image_are_refused(wrong):
    with pytest.raises(ConfigError, match="begins at 0 or later and has at least one pixel"):
        Window(**{"height": 5, "width": 5, **wrong})


def test_a_window_before_another_has_no_place_in_it():
    with pytest.raises(ConfigError):
        Window(height=5, width=5).relative_to(Window(top=1, height=4, width=4))


@given(length=st.integers(1, 300), size=st.integers(1, 64), data=st.data())
def test_windows_cover_the_axis_and_overlap_as_asked(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    starts = window_starts(length, size, overlap)
    covered = set()
    for start in starts:
        covered |= set(range(start, min(start + size, length)))
    assert covered == set(range(length))
    assert all(later - earlier <= size - overlap for earlier, later in zip(starts, starts[1:], strict=False))
    assert starts[-1] + size == length or len(starts) == 1


@settings(max_examples=60)
@given(grid=grids())
def test_windows_of_a_grid_are_of_one_size_within_the_image_and_cover_it(grid):
    covered = np.zeros((grid.height, grid.width), dtype=int)
    windows = list(grid)
    assert len(windows) == len(grid) == len(set(windows))
    assert len({(window.height, window.width) for window in windows}) == 1
    for window in windows:
        assert window.bottom <= grid.height and window.right <= grid.width
        assert max(window.height, window.width) <= grid.size
        covered[window.slices] += 1
    assert covered.min() >= 1


@pytest.mark.parametrize("wrong", [{"overlap": 4}, {"overlap": 5}, {"overlap": -1}, {"size": 0}, {"height": 0}])
def test_a_grid_that_would_leave_holes_is_refused(wrong):
    with pytest.raises(ConfigError, match="overlap below the size; got WindowGrid"):
        WindowGrid(**{"height": 10, "width": 10, "size": 4, "overlap": 1, **wrong})


@settings(max_examples=60)
@given(grid=grids())
def test_a_grid_goes_row_by_row_so_that_rows_above_the_next_are_done(grid):
    windows = list(grid)
    assert [(window.top, window.left) for window in windows] == [(y, x) for y in grid.tops for x in grid.lefts]
    for place, window in enumerate(windows):
        assert all(later.top >= window.top for later in windows[place:])
