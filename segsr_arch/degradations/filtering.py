"""How a kernel is applied to an image: exactly, but for the rounding of float32, and as fast as its shape allows."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from segsr_arch.compat.opencv_limits import MOST_BANDS
from segsr_arch.windows import WindowGrid

_BORDER = cv2.BORDER_REFLECT_101
_NEGLIGIBLE = 1e-7  # part of a kernel's sum
# Larger images are transformed piece by piece: a piece stays in the cache, and a kernel of 21 makes 320 of it, whose
# Fourier transform is fast.
_PIECE = 300


def blurred(image: NDArray[np.float32], kernel: NDArray[np.float64]) -> NDArray[np.float32]:
    """Filter each band of an image; borders are mirrored without the outermost pixel, as IKC does.

    A kernel that is the product of a column and a row, as every isotropic Gaussian is, is applied along one axis after
    the other, any other one in the Fourier domain: a turned Gaussian is a sum of nine products on average, which
    takes four times as long.

    Args:
        image: (H, W, C), any size, also smaller than the kernel.
        kernel: (k, k), k odd, of sum one, which is correlated with the image, as networks and OpenCV do.

    Returns:
        (H, W, C), within 1e-6 of the image's largest value of the exact sums.
    """
    if image.shape[2] > MOST_BANDS:
        groups = range(0, image.shape[2], MOST_BANDS)
        return np.concatenate([blurred(image[..., first : first + MOST_BANDS], kernel) for first in groups], axis=2)
    column, row = kernel.sum(axis=1), kernel.sum(axis=0)
    if np.abs(kernel - np.outer(column, row)).sum() <= _NEGLIGIBLE:
        return np.asarray(cv2.sepFilter2D(image, -1, row, column, borderType=_BORDER)).reshape(image.shape)
    return _filtered_by_fourier(image, kernel)


def _filtered_by_fourier(image: NDArray[np.float32], kernel: NDArray[np.float64]) -> NDArray[np.float32]:
    """Filter as :func:`blurred` does, by products of Fourier transforms in float32."""
    reach = len(kernel) // 2
    padded = cv2.copyMakeBorder(image, reach, reach, reach, reach, _BORDER).reshape(
        image.shape[0] + 2 * reach, image.shape[1] + 2 * reach, image.shape[2]
    )
    grid = WindowGrid(height=padded.shape[0], width=padded.shape[1], size=_PIECE + 2 * reach, overlap=2 * reach)
    height, width = (fft.next_fast_len(min(length, grid.size), real=True) for length in padded.shape[:2])
    # A kernel that is correlated is one that is convolved, turned by half; its zeros need no transform along rows.
    spectrum = fft.fft(fft.rfft(kernel[::-1, ::-1], width, axis=1), height, axis=0).astype(np.complex64)[..., None]
    result = np.empty_like(image)
    for window in grid:
        piece = fft.fft(fft.rfft(padded[window.slices], width, axis=1), height, axis=0, overwrite_x=True)
        piece *= spectrum
        # What the ends of the piece wrap around to lies in the first rows and columns, which are left out.
        rows = fft.ifft(piece, axis=0, overwrite_x=True)[2 * reach : window.height]
        columns = fft.irfft(rows, width, axis=1)[:, 2 * reach : window.width]
        result[window.top : window.bottom - 2 * reach, window.left : window.right - 2 * reach] = columns
    return result
