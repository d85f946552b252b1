import random

import numpy as np
import pytest

from segsr_arch.degradations.chain import Chain
from tests.degradations.pictures import degrade, flat, picture


@pytest.fixture(scope="module")
def degraded():
    chain, rng = Chain.read("second-order", scale=4), np.random.default_rng(0)
    image = picture("uint8", 32, 48)
    return [chain.apply(image, rng) for _ in range(400)]


def test_every_image_has_lr_size_and_a_kernel_of_sum_one(degraded):
    for result in degraded:
        assert result.lq.shape == (8, 12, 3)
        assert result.kernel.shape == (21, 21)
        assert result.kernel.sum() == pytest.approx(1, abs=1e-5)


def test_parts_are_drawn_as_often_as_published(degraded):
    steps = [result.record["steps"][0] for result in degraded]
    families = [step["first"]["blur"]["family"] for step in steps]
    assert np.mean([family == "sinc" for family in families]) == pytest.approx(0.1, abs=0.05)
    assert np.mean([family == "isotropic" for family in families]) == pytest.approx(0.9 * 0.45, abs=0.08)
    factors = np.array([step["first"]["resize"]["factor"] for step in steps])
    assert np.mean(factors < 1) == pytest.approx(0.7, abs=0.08)
    assert np.mean(factors == 1) == pytest.approx(0.1, abs=0.05)
    assert factors.min() >= 0.15
    assert factors.max() <= 1.5
    assert np.mean([step["second"]["blur"]["family"] != "none" for step in steps]) == pytest.approx(0.8, abs=0.08)
    assert np.mean([step["last"]["jpeg_first"] for step in steps]) == pytest.approx(0.5, abs=0.1)
    sigmas = [max(step["second"]["blur"].get("sigma", [0])) for step in steps]
    assert max(sigmas) <= 1.5
    assert {step["first"]["noise"]["kind"] for step in steps} == {"gaussian", "poisson"}


def test_global_generators_have_no_part_in_it():
    image = picture("uint8")
    np.random.seed(1)
    random.seed(1)
    first, state = degrade("second-order", image, seed=3), np.random.get_state()[1].copy()
    np.random.seed(2)
    random.seed(2)
    assert np.array_equal(first.lq, degrade("second-order", image, seed=3).lq)
    np.random.seed(1)
    assert np.array_equal(state, np.random.get_state()[1])


def test_without_noise_or_blur_or_loss_little_is_changed():
    mild = {"sigma": 0.2, "sigma2": 0.2, "resize": 1, "resize2": 1, "noise": 0, "noise2": 0, "poisson": 0}
    chain = [{"type": "second-order", **mild, "poisson2": 0, "quality": 100, "quality2": 100}]
    results = [degrade(chain, flat(120, 64, 64), seed) for seed in range(8)]
    assert max(np.abs(result.lq - 120 / 255).max() for result in results) < 3 / 255
    assert {result.noise for result in results} == {0.0}


def test_the_noise_it_reports_is_that_of_the_last_one():
    chain = [{"type": "second-order", "noise2": 20, "poisson2": 0, "sigma2": 0.05, "resize2": 1, "quality2": 100}]
    noises = {round(degrade(chain, flat(120, 64, 64), seed).noise, 6) for seed in range(8)}
    assert noises == {0.0, 20.0}
