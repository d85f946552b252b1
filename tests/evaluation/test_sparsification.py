import numpy as np
import pytest

from segsr_arch.evaluation.sparsification import SHARES, rank_correlation, sparsification


def test_the_error_itself_is_the_best_uncertainty_and_its_opposite_the_worst():
    error = np.random.default_rng(0).random((40, 50))
    best, worst = sparsification(error, error), sparsification(-error, error)
    assert best.gained == pytest.approx(1) and np.allclose(best.curve, best.oracle)
    assert worst.gained < -0.9
    assert best.curve[0] == worst.curve[0] == 1
    # Errors that are spread evenly from 0 to 1: without the largest share p, their mean is (1 - p) / 2.
    assert np.allclose(best.oracle, 1 - SHARES, atol=0.03)


def test_chance_gains_nothing():
    generator = np.random.default_rng(1)
    found = sparsification(generator.random(100_000), generator.random(100_000))
    assert abs(found.gained) < 0.02
    assert np.allclose(found.curve[:10], 1, atol=0.02)


def test_means_are_those_of_what_is_left():
    uncertainty, error = np.array([3.0, 1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0, 10.0])
    curve = sparsification(uncertainty, error).curve
    half = int(np.flatnonzero(np.isclose(SHARES, 0.5))[0])
    assert curve[half] == pytest.approx(((2 + 3) / 2) / 4)


@pytest.mark.parametrize("seed", range(3))
def test_the_correlation_is_scipys(seed):
    from scipy import stats

    generator = np.random.default_rng(seed)
    one = generator.integers(0, 9, (20, 20))  # ties
    other = one + generator.normal(0, 3, one.shape)
    assert rank_correlation(one, other) == pytest.approx(stats.spearmanr(one.ravel(), other.ravel())[0], abs=1e-12)
    assert rank_correlation(one, np.exp(one)) == pytest.approx(1)
    assert np.isnan(rank_correlation(one, np.ones((20, 20))))
