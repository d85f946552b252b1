"""Blurred images are the exact sums, whatever the kernel and the size."""

import math

import numpy as np
import pytest
from scipy import ndimage

from segsr_arch.degradations import kernels
from segsr_arch.degradations.filtering import blurred
from segsr_arch.degradations.second_order import _mixed_kernel

DRAWN = np.random.default_rng(3)
KERNELS = {
    "isotropic": kernels.isotropic_kernel(2.6),
    "narrowest": kernels.isotropic_kernel(0.05),
    "upright": kernels.anisotropic_kernel(2.0, 0.6, 0.0),
    "turned": kernels.anisotropic_kernel(3.8, 1.4, 0.3 * math.pi),
    "almost round": kernels.anisotropic_kernel(2.0, 2.000001, 0.25 * math.pi),
    "needle": kernels.anisotropic_kernel(3.6, 0.2, 0.8 * math.pi),
    "wide": kernels.anisotropic_kernel(20.0, 4.0, 0.2 * math.pi, size=101),
    "smallest": kernels.anisotropic_kernel(0.9, 0.5, 0.2 * math.pi, size=3),
    "shift": np.roll(kernels.delta_kernel(), (3, -4), (0, 1)),
    "shear": kernels.resized_kernel(DRAWN.uniform(0, 1, (5, 5)), size=21),
    **{f"second order {number}": _mixed_kernel(DRAWN, (0.2, 3.0))[0] for number in range(12)},
}


def exact(image, kernel):
    return ndimage.correlate(image.astype(np.float64), kernel[:, :, None], mode="mirror")


def grey_levels(*shape):
    return np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)


def assert_blurred(image, kernel):
    before = image.copy()
    result = blurred(image, kernel)
    assert np.array_equal(image, before)
    assert result.shape == image.shape
    assert result.dtype == np.float32
    assert np.abs(result - exact(image, kernel)).max() < 1e-6 * 255


@pytest.mark.parametrize("name", KERNELS)
def test_blurring_is_the_exact_sum_with_mirrored_borders(name):
    assert_blurred(grey_levels(40, 31, 3), KERNELS[name])


@pytest.mark.parametrize("name", ["isotropic", "turned"])
@pytest.mark.parametrize("shape", [(40, 31, 1), (40, 31, 6), (9, 8, 200), (7, 5, 3), (2, 3, 3), (1, 40, 3), (1, 1, 1)])
def test_any_number_of_bands_and_any_size(name, shape):
    assert_blurred(grey_levels(*shape), KERNELS[name])


@pytest.mark.parametrize(
    ("name", "shape"), [("isotropic", (301, 640, 1)), ("turned", (301, 640, 1)), ("wide", (301, 40, 1))]
)
def test_an_image_of_several_pieces_has_no_seams(name, shape):
    assert_blurred(grey_levels(*shape), KERNELS[name])


@pytest.mark.parametrize("name", ["isotropic", "turned"])
def test_a_flat_image_rounds_to_itself(name):
    for level in (0, 1, 128, 255):
        flat = np.full((50, 60, 3), level, np.float32)
        assert np.abs(blurred(flat, KERNELS[name]) - level).max() < 1e-6 * 255


def test_only_products_of_a_column_and_a_row_go_along_the_axes(monkeypatch):
    """A Gaussian that is almost round is no product, and must not be taken for one."""
    import cv2

    calls = []
    stock = cv2.sepFilter2D
    monkeypatch.setattr(cv2, "sepFilter2D", lambda *args, **kwargs: calls.append(1) or stock(*args, **kwargs))
    image = grey_levels(30, 30, 3)
    for name, separable in (("isotropic", True), ("upright", True), ("almost round", False), ("turned", False)):
        calls.clear()
        blurred(image, KERNELS[name])
        assert bool(calls) is separable, name
