import math

import numpy as np
import pytest

from segsr_arch.results.statistics import compare_pairs, mean_with_interval


def test_interval_is_that_of_the_mean_and_the_same_every_time():
    values = np.random.default_rng(0).normal(30, 2, 200)
    first, again = mean_with_interval(values), mean_with_interval(values)
    assert first == again and first.n == 200
    assert first.mean == math.fsum(values) / 200
    # a percentile bootstrap of a mean of many values is close to the normal interval
    half = 1.96 * values.std() / math.sqrt(200)
    assert first.low == pytest.approx(first.mean - half, abs=0.05)
    assert first.high == pytest.approx(first.mean + half, abs=0.05)


def test_interval_covers_the_true_mean_about_95_times_in_100():
    random = np.random.default_rng(1)
    intervals = [mean_with_interval(random.normal(0, 1, 40), seed=seed) for seed in range(200)]
    covered = np.mean([each.low <= 0 <= each.high for each in intervals])
    assert 0.88 <= covered <= 0.99


@pytest.mark.parametrize("values", [[30.0], [30.0, math.inf]])
def test_no_interval_where_there_cannot_be_one(values):
    found = mean_with_interval(values)
    assert (found.low, found.high) == (None, None)
    assert found.mean == values[-1]


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_nothing_and_nan_have_no_mean(values):
    with pytest.raises(ValueError, match="no NaN"):
        mean_with_interval(values)


def test_the_order_of_images_does_not_change_the_mean():
    values = list(np.random.default_rng(2).normal(30, 5, 999))
    assert mean_with_interval(values).mean == mean_with_interval(values[::-1]).mean


def test_pairs_count_wins_losses_and_ties():
    pair = compare_pairs([1.0, 5.0, 3.0, math.inf], [2.0, 1.0, 3.0, math.inf], better="higher")
    assert (pair.won, pair.lost) == (0.25, 0.25)
    assert pair.difference.mean == 0.75 and pair.n == pair.difference.n == 4
    other = compare_pairs([1.0, 5.0], [2.0, 1.0], better="lower")
    assert (other.won, other.lost) == (0.5, 0.5)


def test_values_that_differ_by_rounding_are_equal():
    pair = compare_pairs([30.0, 30.0, 0.1], [30.0 + 1e-12, 30.0 + 1e-6, 0.1 - 1e-12], better="higher")
    assert (pair.won, pair.lost) == (0, pytest.approx(1 / 3)) and pair.difference.low == pytest.approx(-1e-6)


def test_pairs_are_narrower_than_the_methods_themselves():
    random = np.random.default_rng(3)
    base = random.normal(30, 5, 100)
    better = base + random.normal(0.2, 0.1, 100)
    pair = compare_pairs(better, base, better="higher").difference
    assert pair.low > 0.15 and pair.high < 0.25
    assert mean_with_interval(base).high - mean_with_interval(base).low > 1


def test_pairs_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="3 and 2"):
        compare_pairs([1.0, 2.0, 3.0], [1.0, 2.0], better="higher")


def test_differences_that_are_infinite_are_not_in_their_mean_but_count_as_won_and_lost():
    pair = compare_pairs([math.inf, 20.0, 5.0], [30.0, math.inf, 4.0], better="higher")
    assert (pair.n, pair.difference.n, pair.difference.mean) == (3, 1, 1.0)
    assert (pair.won, pair.lost) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert compare_pairs([math.inf], [30.0], better="higher").difference is None
