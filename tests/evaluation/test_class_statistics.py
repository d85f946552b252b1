import numpy as np
import pytest

from segsr_arch.evaluation.class_statistics import eta_squared, summarise_by_class

CLASSES = ("a", "a", "b", "b", "b")
GROUPS = [np.array([name == own for name in CLASSES]) for own in "ab"]


def test_eta_squared_is_the_share_between_the_classes():
    by_class_alone = [1.0, 1, 2, 2, 2]
    within_alone = [1.0, 3, 1, 2, 3]
    both = [0.0, 2, 3, 4, 5]  # mean 2.8; between 2 * 1.8**2 + 3 * 1.2**2 = 10.8; total 14.8
    eta = eta_squared(np.array([by_class_alone, within_alone, both]).T, GROUPS)
    assert eta == pytest.approx([1, 0, 10.8 / 14.8])


def test_eta_squared_is_unknown_without_variance_or_with_one_class():
    assert np.isnan(eta_squared(np.full((5, 1), 0.3), GROUPS)).all()
    # What differs by rounding alone has no variance that a class could explain.
    assert np.isnan(eta_squared(np.array([[0.3], [0.3], [0.3], [0.3], [0.3 + 1e-9]]), GROUPS)).all()
    assert np.isnan(eta_squared(np.array([[1.0], [2.0]]), [np.array([True, True])])).all()


def test_eta_squared_of_noise_is_near_what_is_given_as_chance():
    rng = np.random.default_rng(0)
    classes = [str(i % 21) for i in range(105)]
    values = rng.normal(size=(105, 400))
    found = summarise_by_class(values, values, classes)
    assert found.eta_squared.mean() == pytest.approx(found.eta_squared_by_chance, abs=0.01)
    assert found.eta_squared_by_chance == pytest.approx(20 / 104)


def test_means_deviations_and_spreads_by_class():
    means = np.array([[1.0, 10], [3, 10], [5, 20]])
    spreads = np.array([[0.1, 0.2], [0.3, 0.2], [0.5, 0.6]])
    found = summarise_by_class(means, spreads, ["river", "river", "beach"])
    assert found.names == ("beach", "river") and found.counts.tolist() == [1, 2]
    assert found.means.tolist() == [[5, 20], [2, 10]]
    assert found.deviations[1] == pytest.approx([2**0.5, 0]) and np.isnan(found.deviations[0]).all()
    assert found.spreads == pytest.approx(np.array([[0.5, 0.6], [0.2, 0.2]]))


def test_a_single_image_has_no_chance_level():
    found = summarise_by_class(np.array([[1.0]]), np.array([[0.1]]), ["river"])
    assert np.isnan(found.eta_squared).all() and np.isnan(found.eta_squared_by_chance)
