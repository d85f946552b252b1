"""Blur kernels of blind super-resolution, and the settings in which this field trains and tests.

Sources: Gu et al., "Blind Super-Resolution With Iterative Kernel Correction" (CVPR 2019), here IKC, for isotropic
kernels; the anisotropic settings and the eleven test kernels are those of DRSR for aerial images.
"""

import numpy as np
from numpy.typing import NDArray

KERNEL_SIZE = 21
"""Side of the kernels of IKC and DRSR, in HR pixels."""
SIGMA_RANGES = {2: (0.2, 2.0), 3: (0.2, 3.0), 4: (0.2, 4.0)}
"""Least and largest standard deviation in training by scale, in HR pixels (IKC)."""
GAUSSIAN8 = {
    scale: tuple(round(float(sigma), 6) for sigma in np.linspace(low, high, 8))
    for scale, (low, high) in {2: (0.8, 1.6), 3: (1.35, 2.4), 4: (1.8, 3.2)}.items()
}
"""Standard deviations of the eight test kernels by scale, evenly spaced, in HR pixels (IKC)."""
DRSR_TEST_KERNELS = (
    (2.0, 0.6, 0.0),
    (1.8, 1.3, 0.1),
    (2.6, 1.6, 0.2),
    (3.8, 1.4, 0.3),
    (3.0, 2.0, 0.4),
    (3.0, 1.2, 0.5),
    (2.6, 1.4, 0.6),
    (3.8, 1.8, 0.7),
    (3.6, 0.8, 0.8),
    (3.8, 2.2, 0.9),
    (3.4, 3.2, 1.0),
)
"""The eleven anisotropic test kernels for x4: both standard deviations in HR pixels, the angle in units of pi."""


def anisotropic_kernel(l1: float, l2: float, theta: float, *, size: int = KERNEL_SIZE) -> NDArray[np.float64]:
    """Sample a Gaussian whose axes have different widths, and which is turned.

    The covariance is R diag(l1^2, l2^2) R^T with R the rotation by theta, x to the right and y downwards.

    Args:
        l1: Standard deviation along the direction of theta, in pixels, above 0.
        l2: Standard deviation across it, in pixels, above 0.
        theta: Angle in radians, from the x axis towards the y axis, which points down.
        size: Side in pixels, odd.

    Returns:
        (size, size), of sum one.
    """
    offsets = np.arange(size) - size // 2
    x, y = np.meshgrid(offsets, offsets)
    along, across = np.cos(theta) * x + np.sin(theta) * y, np.cos(theta) * y - np.sin(theta) * x
    kernel = np.exp(-0.5 * ((along / l1) ** 2 + (across / l2) ** 2))
    return np.asarray(kernel / kernel.sum())


def isotropic_kernel(sigma: float, *, size: int = KERNEL_SIZE) -> NDArray[np.float64]:
    """Sample a Gaussian of one standard deviation, in pixels: (size, size), of sum one."""
    return anisotropic_kernel(sigma, sigma, 0.0, size=size)


def delta_kernel(size: int = KERNEL_SIZE) -> NDArray[np.float64]:
    """The kernel that changes nothing: (size, size), one in the middle."""
    kernel = np.zeros((size, size))
    kernel[size // 2, size // 2] = 1.0
    return kernel


def convolved(first: NDArray[np.float64], second: NDArray[np.float64], *, size: int) -> NDArray[np.float64]:
    """Combine two blurs into one kernel.

    Args:
        first: (a, a), a odd.
        second: (b, b), b odd.
        size: Side of the result; what lies outside is cut off.

    Returns:
        (size, size), of sum one.
    """
    margin = len(first) // 2 + len(second) // 2
    whole = np.zeros((2 * margin + 1, 2 * margin + 1))
    for (row, column), weight in np.ndenumerate(first):
        whole[row : row + len(second), column : column + len(second)] += weight * second
    return resized_kernel(whole, size=size)


def resized_kernel(kernel: NDArray[np.float64], *, size: int) -> NDArray[np.float64]:
    """Cut a kernel to a side, or surround it by zeros, and scale it to a sum of one; sides are odd."""
    margin = len(kernel) // 2 - size // 2
    if margin >= 0:
        kernel = kernel[margin : margin + size, margin : margin + size]
    else:
        kernel = np.pad(kernel, -margin)
    return np.asarray(kernel / kernel.sum())
