import itertools

import numpy as np
import pytest

from segsr_arch.scenes.seams import Seams, border_positions, measure_seams
from segsr_arch.windows import Window, WindowGrid


def whole(sr, windows, scale, **more):
    return measure_seams(sr, windows, scale=scale, place=Window(height=sr.shape[1], width=sr.shape[2]), **more)


def test_borders_are_where_windows_begin_or_end():
    assert border_positions((0, 24, 40), 32, 72, 2).tolist() == [48, 64, 80, 112]
    assert border_positions((0,), 10, 10, 4).tolist() == []


@pytest.mark.parametrize("overlap", [0, 4])
def test_a_step_at_each_border_is_seen_and_noise_is_not(overlap):
    generator = np.random.default_rng(0)
    windows = WindowGrid(height=64, width=96, size=16, overlap=overlap)
    noise = generator.normal(0, 1, (3, 128, 192))
    assert whole(noise, windows, 2).ratio == pytest.approx(1, abs=0.05)
    stepped = noise.copy()
    for position in border_positions(windows.lefts, 16, 96, 2):
        stepped[:, :, position:] += 10
    sums = whole(stepped, windows, 2)
    # Half of the borders are between rows, where nothing was changed.
    assert 3 < sums.ratio < 7


def test_the_sums_are_those_of_a_loop():
    windows = WindowGrid(height=10, width=13, size=6, overlap=2)
    sr = np.random.default_rng(1).integers(0, 256, (2, 20, 26), np.uint8)
    valid = np.random.default_rng(2).random((2, 20, 26)) < 0.9
    rows, columns = {8, 12}, {8, 12, 14, 20}
    expected = {True: [], False: []}
    for band, row, column in itertools.product(range(2), range(20), range(26)):
        for up, left, is_border in ((1, 0, row in rows), (0, 1, column in columns)):
            position = row if up else column
            if position == 0 or position % 2:  # within an LR pixel
                continue
            if valid[band, row, column] and valid[band, row - up, column - left]:
                step = abs(int(sr[band, row, column]) - int(sr[band, row - up, column - left]))
                expected[is_border].append(step)
    assert whole(sr, windows, 2, valid=valid) == Seams(
        across=sum(expected[True]),
        across_count=len(expected[True]),
        elsewhere=sum(expected[False]),
        elsewhere_count=len(expected[False]),
    )


def test_pieces_add_up_to_the_whole():
    windows = WindowGrid(height=40, width=30, size=16, overlap=4)
    sr = np.random.default_rng(3).integers(0, 65536, (1, 160, 120), np.uint16)
    valid = np.random.default_rng(4).random((1, 160, 120)) < 0.95
    total = Seams()
    for (top, bottom), (left, right) in itertools.product(((0, 48), (48, 49), (49, 160)), ((0, 64), (64, 120))):
        first, before = max(top - 1, 0), max(left - 1, 0)
        place = Window(top=first, left=before, height=bottom - first, width=right - before)
        part = (..., *place.slices)
        total += measure_seams(sr[part], windows, scale=4, place=place, valid=valid[part])
    assert total == whole(sr, windows, 4, valid=valid)


def test_replicated_pixels_have_no_seam():
    coarse = np.random.default_rng(6).normal(0, 1, (3, 64, 96))
    sr = np.kron(coarse, np.ones((4, 4)))
    assert whole(sr, WindowGrid(height=64, width=96, size=16, overlap=4), 4).ratio == pytest.approx(1, abs=0.05)


def test_one_window_has_no_seam():
    sums = whole(np.random.default_rng(5).random((1, 32, 32)), WindowGrid(height=16, width=16, size=64, overlap=16), 2)
    assert sums.across_count == 0 and np.isnan(sums.ratio)
    flat = WindowGrid(height=16, width=16, size=8, overlap=0)
    assert np.isnan(whole(np.ones((1, 32, 32)), flat, 2).ratio)
