import math

import numpy as np
import pytest

from segsr_arch.degradations import kernels


def published_kernel(l1, l2, angle, size=21):
    """The published formula pixel by pixel: covariance R diag(l1^2, l2^2) R^T, inverted, quadratic form, normalised."""
    c, s = math.cos(angle), math.sin(angle)
    xx = c * c * l1**2 + s * s * l2**2
    xy = c * s * (l1**2 - l2**2)
    yy = s * s * l1**2 + c * c * l2**2
    determinant = xx * yy - xy * xy
    values = [
        [
            math.exp(-(yy * x * x - 2 * xy * x * y + xx * y * y) / (2 * determinant))
            for x in range(-(size // 2), size // 2 + 1)
        ]
        for y in range(-(size // 2), size // 2 + 1)
    ]
    total = sum(map(sum, values))
    return np.array(values) / total


@pytest.mark.parametrize(("l1", "l2", "theta"), kernels.DRSR_TEST_KERNELS)
def test_test_kernels_are_those_of_the_published_formula(l1, l2, theta):
    kernel = kernels.anisotropic_kernel(l1, l2, theta * math.pi)
    assert kernel.shape == (21, 21)
    assert np.abs(kernel - published_kernel(l1, l2, theta * math.pi)).max() < 1e-6
    assert kernel.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("sigma", [0.2, 1.8, 2.6, 4.0])
def test_isotropic_kernels_are_those_of_the_published_formula(sigma):
    assert np.abs(kernels.isotropic_kernel(sigma) - published_kernel(sigma, sigma, 0.0)).max() < 1e-6
    assert kernels.isotropic_kernel(sigma, size=15).shape == (15, 15)


def test_kernels_are_those_of_basicsr():
    degradations = pytest.importorskip("basicsr.data.degradations")
    theirs = degradations.bivariate_Gaussian(21, 3.8, 1.4, 0.3 * math.pi, isotropic=False)
    assert np.abs(kernels.anisotropic_kernel(3.8, 1.4, 0.3 * math.pi) - theirs).max() < 1e-6


def test_the_long_axis_lies_along_the_angle():
    kernel = kernels.anisotropic_kernel(3.0, 0.6, math.pi / 4)
    assert kernel[13, 13] > 100 * kernel[7, 13]  # to the lower right, since y points down


def test_published_settings():
    assert len(kernels.DRSR_TEST_KERNELS) == 11
    assert kernels.GAUSSIAN8[4] == pytest.approx((1.8, 2.0, 2.2, 2.4, 2.6, 2.8, 3.0, 3.2))
    assert kernels.GAUSSIAN8[3] == pytest.approx((1.35, 1.5, 1.65, 1.8, 1.95, 2.1, 2.25, 2.4))
    assert kernels.GAUSSIAN8[2][::7] == (0.8, 1.6)


def test_two_blurs_are_one_kernel():
    first, second = kernels.anisotropic_kernel(1.6, 1.2, 0.4), kernels.isotropic_kernel(1.2)
    # Variances add up, and a kernel of 21 pixels holds all of such a narrow one.
    both = kernels.convolved(first, second, size=21)
    wanted = kernels.anisotropic_kernel(2.0, math.hypot(1.2, 1.2), 0.4)
    assert np.abs(both - wanted).max() < 1e-4 * wanted.max()
    assert np.array_equal(kernels.convolved(first, kernels.delta_kernel(), size=21), first / first.sum())


def test_a_kernel_changes_its_size():
    kernel = kernels.isotropic_kernel(2.0)
    assert kernels.resized_kernel(kernel, size=25)[2:-2, 2:-2] == pytest.approx(kernel)
    small = kernels.resized_kernel(kernel, size=9)
    assert small.sum() == pytest.approx(1)
    assert small == pytest.approx(kernels.isotropic_kernel(2.0, size=9))
