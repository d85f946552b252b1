"""The low-resolution image of a high-resolution one: MATLAB-like antialiased bicubic reduction, 8 bit to 8 bit.

The numbers are those of ``basicsr.utils.matlab_functions.imresize``, which this field uses, in exact arithmetic: at a
whole scale every bicubic weight is a fraction with a common denominator, so sums of weight times 8-bit value are whole
numbers that float64 holds without rounding. The result therefore does not depend on the machine, its vector width or
its BLAS, which the float32 original does where the true value lies half-way between two grey levels.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from segsr_arch.errors import DataError

MAX_SCALE = 16


def mod_crop(image: np.ndarray, scale: int) -> np.ndarray:
    """Cut an image at its right and lower edge to a multiple of the scale.

    Args:
        image: (H, W, ...) array.
        scale: Whole number, at least 1.

    Returns:
        View of shape (H - H % scale, W - W % scale, ...).
    """
    height, width = image.shape[:2]
    return image[: height - height % scale, : width - width % scale]


@lru_cache(maxsize=MAX_SCALE)
def bicubic_taps(scale: int) -> tuple[tuple[int, ...], int, int]:
    """Give the weights of one output pixel of an antialiased bicubic reduction by a whole scale.

    They are the same for every output pixel. Keys' kernel with a = -1/2, stretched by the scale.

    Args:
        scale: Whole number from 2 to 16.

    Returns:
        The whole-number weights from left to right; their sum, by which to divide; and how many pixels the first one
        lies to the left of the block of ``scale`` pixels that the output pixel covers.

    Raises:
        DataError: If the scale is not a whole number from 2 to 16.
    """
    if scale != int(scale) or not 2 <= scale <= MAX_SCALE:
        raise DataError(f"scale {scale}: the low-resolution image needs a whole scale from 2 to {MAX_SCALE}")
    scale = int(scale)
    # Twice the distance between the pixel's centre and that of the output pixel, in source pixels, is a whole number.
    reach = [d for d in range(-4 * scale + 1, 4 * scale) if (d - scale + 1) % 2 == 0]
    unit = 2 * scale

    def weight(distance: int) -> int:
        # cubic(distance / unit) times 2 * unit**3
        d = abs(distance)
        if d <= unit:
            return 3 * d**3 - 5 * d**2 * unit + 2 * unit**3
        return -(d**3) + 5 * d**2 * unit - 8 * d * unit**2 + 4 * unit**3

    common = math.gcd(*map(weight, reach))
    weights = tuple(weight(d) // common for d in reach)
    return weights, sum(weights), (-reach[0] - (scale - 1)) // 2


def _reduce_rows(rows: np.ndarray, scale: int) -> np.ndarray:
    """Weighted sums over the first axis, not yet divided: (H, N) float64 of whole numbers -> (H / scale, N)."""
    weights, _, before = bicubic_taps(scale)
    after = len(weights) - before - scale
    padded = np.pad(rows, ((before, after), (0, 0)), mode="symmetric")
    windows = sliding_window_view(padded, len(weights), axis=0)[::scale]  # (count, N, taps)
    return np.asarray(np.matmul(np.array(weights, np.float64), windows.swapaxes(1, 2)))


def reduce_exactly(image: np.ndarray, scale: int) -> np.ndarray:
    """Reduce an 8-bit image without rounding the result.

    Args:
        image: (H, W, C) uint8; H and W must be multiples of the scale.
        scale: Whole number from 2 to 16.

    Returns:
        (H / scale, W / scale, C) float64 on the scale 0-255, which over- and undershoots at edges.

    Raises:
        DataError: If the image is not 8 bit, has no pixels, or its sides are no multiples of the scale.
    """
    if image.dtype != np.uint8 or image.ndim != 3:
        raise DataError(f"expected an (H, W, C) image of 8 bits, got {image.dtype} of shape {image.shape}")
    height, width, channels = image.shape
    if height % scale or width % scale or not image.size:
        raise DataError(f"an image of {height} x {width} cannot be reduced by {scale}: crop it to a multiple first")
    _, divisor, _ = bicubic_taps(scale)
    rows = _reduce_rows(image.reshape(height, -1).astype(np.float64), scale)
    columns = rows.reshape(-1, width, channels).transpose(1, 0, 2).reshape(width, -1)
    reduced = _reduce_rows(columns, scale).reshape(width // scale, height // scale, channels).transpose(1, 0, 2)
    return np.asarray(reduced / float(divisor**2))


def make_lr(image: np.ndarray, scale: int) -> np.ndarray:
    """Make the low-resolution partner of an 8-bit image.

    Args:
        image: (H, W, C) uint8; H and W must be multiples of the scale.
        scale: Whole number from 2 to 16.

    Returns:
        (H / scale, W / scale, C) uint8, rounded half to even.

    Raises:
        DataError: See :func:`reduce_exactly`.
    """
    return np.ascontiguousarray(np.rint(reduce_exactly(image, scale)).clip(0, 255).astype(np.uint8))
