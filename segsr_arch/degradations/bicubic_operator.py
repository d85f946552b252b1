"""The bicubic reduction as a linear operator on floating-point images: forwards, transposed, and its exact inverse.

The reduction of an image x is A x A^T, with one sparse matrix A for each axis: the weights of
:func:`segsr_arch.degradations.bicubic.bicubic_taps` and symmetric borders. What stands there in whole numbers for 8
bits stands here for images of any type.

A A^T is a narrow band, and its inverse falls by a factor of 3 with each LR pixel, whatever the scale (2.9e-10 of its
diagonal at 20 pixels), because the reduction lets about half of the highest frequency of the LR image pass. The inverse
is therefore cut to a band, and all that is done here is local: a piece of an image that has :func:`projection_reach`
pixels more on each side gets what the whole image gets.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

from segsr_arch.degradations.bicubic import bicubic_taps
from segsr_arch.errors import DataError

# The inverse beyond is below 3e-10 of its diagonal: 65535 units of a 16-bit image change by less than 1e-4 units.
INVERSE_REACH = 20
# Beyond so many pixels from an end, a row of the inverse no longer knows in float64 that the image has an end.
_BORDER = 48
_IN_CACHE = 256  # columns of an image whose rows are multiplied together
_FLOAT64: np.dtype[Any] = np.dtype(np.float64)


def reduction_reach(scale: int) -> int:
    """How many LR pixels the kernel of one LR pixel reaches into on each side: 2 for every scale."""
    return -(-bicubic_taps(scale)[2] // scale)


def projection_reach(scale: int) -> int:
    """From how many LR pixels away a projected pixel is influenced: reduction, inverse and transposed reduction."""
    return 2 * reduction_reach(scale) + INVERSE_REACH


def kernel_energy(scale: int) -> float:
    """Sum of the squared weights of one LR pixel over both axes: what of it comes back from its transposed kernel."""
    weights, divisor, _ = bicubic_taps(scale)
    return (sum(weight**2 for weight in weights) / divisor**2) ** 2


@lru_cache(maxsize=32)
def reduction_matrix(length: int, scale: int, dtype: np.dtype[Any] = _FLOAT64) -> sparse.csr_array:
    """Give the matrix that reduces one axis.

    Args:
        length: Pixels of the reduced axis.
        scale: Whole number from 2 to 16.
        dtype: Type of the weights.

    Returns:
        (length, scale * length) sparse matrix; its rows sum to one.
    """
    weights, divisor, before = bicubic_taps(scale)
    taps = len(weights)
    columns = scale * np.arange(length)[:, None] - before + np.arange(taps)
    columns %= 2 * scale * length  # symmetric: the image and its mirror image, again and again
    columns = np.minimum(columns, 2 * scale * length - 1 - columns)
    rows = np.repeat(np.arange(length), taps)
    values = np.tile(np.array(weights) / divisor, length)
    whole = sparse.coo_array((values, (rows, columns.ravel())), shape=(length, scale * length))
    return whole.tocsr().astype(dtype)


@lru_cache(maxsize=32)
def transposed_matrix(length: int, scale: int, dtype: np.dtype[Any] = _FLOAT64) -> sparse.csr_array:
    """The transpose of :func:`reduction_matrix`, stored by rows."""
    return reduction_matrix(length, scale, dtype).T.tocsr()


@lru_cache(maxsize=32)
def inverse_gram(length: int, scale: int, dtype: np.dtype[Any] = _FLOAT64) -> sparse.csr_array:
    """Give (A A^T)^-1 of one axis, without what is further than :data:`INVERSE_REACH` from the diagonal.

    Args:
        length: Pixels of the reduced axis.
        scale: Whole number from 2 to 16.
        dtype: Type of the values.

    Returns:
        (length, length) sparse symmetric matrix.
    """
    known = min(length, 2 * _BORDER)
    matrix = reduction_matrix(known, scale)
    inverse = np.linalg.inv((matrix @ matrix.T).toarray())
    row = np.arange(length)[:, None]
    column = row + np.arange(-INVERSE_REACH, INVERSE_REACH + 1)
    # Rows near an end are those of a short axis, all in between are that of its middle.
    behind = length - known
    base = np.clip(row, None, _BORDER) if behind else row
    base = np.where(row >= length - _BORDER, row - behind, base) if behind else base
    at = base + (column - row)
    inside = (column >= 0) & (column < length) & (at >= 0) & (at < known)
    values = inverse[np.broadcast_to(base, at.shape)[inside], at[inside]]
    places = (np.broadcast_to(row, at.shape)[inside], column[inside])
    return sparse.coo_array((values, places), shape=(length, length)).tocsr().astype(dtype)


def reduce_bicubic(image: NDArray[np.floating], scale: int) -> NDArray[np.floating]:
    """Reduce an image by the kernel that makes LR images, neither rounded nor clipped.

    Borders are symmetric. Of a piece of a larger image, the outermost :func:`reduction_reach` pixels of the result
    are not those of the whole on sides where the image goes on.

    Args:
        image: (..., H, W), float32 or float64, any range; H and W are multiples of the scale.
        scale: Whole number from 2 to 16.

    Returns:
        (..., H / scale, W / scale) of the same type.

    Raises:
        DataError: If the image is of another type, has no pixels, or its sides are no multiples of the scale.
    """
    height, width = _reduced_size(image, scale)
    return _on_both_axes(
        image, reduction_matrix(height, scale, image.dtype), reduction_matrix(width, scale, image.dtype)
    )


def spread_bicubic(image: NDArray[np.floating], scale: int) -> NDArray[np.floating]:
    """Apply the transposed reduction, A^T x A: (..., h, w) float32 or float64 -> (..., scale * h, scale * w)."""
    height, width = image.shape[-2:]
    return _on_both_axes(
        image, transposed_matrix(height, scale, image.dtype), transposed_matrix(width, scale, image.dtype)
    )


def project(
    image: NDArray[np.floating],
    residual: NDArray[np.floating],
    scale: int,
) -> NDArray[np.floating]:
    """Change an image as little as possible such that its reduction changes by a given residual.

    x + P r P^T with P = A^T (A A^T)^-1, the pseudo-inverse of the reduction of one axis: with r = y - A x A^T, the
    orthogonal projection of x onto the images whose reduction is y. Where r is zero, the reduction stays as it is.

    Args:
        image: x (..., H, W), float32 or float64.
        residual: r (..., H / scale, W / scale) of the same type.
        scale: Whole number from 2 to 16.

    Returns:
        A new image (..., H, W).
    """
    height, width = residual.shape[-2:]
    weights = _on_both_axes(
        residual, inverse_gram(height, scale, residual.dtype), inverse_gram(width, scale, residual.dtype)
    )
    return image + spread_bicubic(weights, scale)


def project_noisy(
    image: NDArray[np.floating],
    residual: NDArray[np.floating],
    scale: int,
    *,
    weight: float,
) -> NDArray[np.floating]:
    """Change an image such that its reduction comes closer to one that is noisy.

    x + A^T (A A^T + weight I)^-1 r, over both axes at once: the most probable image where errors of x and noise of the
    LR image are independent and normal, with ``weight`` the variance of the noise over that of the errors. Weight 0 is
    :func:`project`. It is not local: the whole image is needed.

    Args:
        image: x (..., H, W), float32 or float64.
        residual: r (..., H / scale, W / scale) of the same type.
        scale: Whole number from 2 to 16.
        weight: At least 0.

    Returns:
        A new image (..., H, W).
    """
    rows, columns = (gram_eigenvalues(length, scale) for length in residual.shape[-2:])
    spectrum = fft.dctn(residual, axes=(-2, -1), norm="ortho")
    spectrum /= (rows[:, None] * columns + weight).astype(residual.dtype)
    return image + spread_bicubic(fft.idctn(spectrum, axes=(-2, -1), norm="ortho"), scale)


@lru_cache(maxsize=32)
def gram_eigenvalues(length: int, scale: int) -> NDArray[np.float64]:
    """Give the eigenvalues of A A^T of one axis, from the lowest frequency to the highest: (length,), above 0.

    Its eigenvectors are the discrete cosines (DCT-II), because kernel and borders are symmetric. The first row of a
    matrix V diag(d) V^T, transformed, is d times the first row of V.
    """
    matrix = reduction_matrix(length, scale)
    first = (matrix[[0]] @ matrix.T).toarray()[0]
    impulse = np.zeros(length)
    impulse[0] = 1
    return np.asarray(fft.dct(first, norm="ortho") / fft.dct(impulse, norm="ortho"))


def _reduced_size(image: NDArray[np.floating], scale: int) -> tuple[int, int]:
    """Check an image; returns rows and columns of its reduction."""
    height, width = image.shape[-2:]
    if image.dtype not in (np.float32, np.float64):
        raise DataError(f"expected an image of float32 or float64, got {image.dtype} of shape {image.shape}")
    if height % scale or width % scale or not image.size:
        raise DataError(f"an image of {height} x {width} cannot be reduced by {scale}: crop it to a multiple first")
    return height // scale, width // scale


def _on_both_axes(
    image: NDArray[np.floating], rows: sparse.csr_array, columns: sparse.csr_array
) -> NDArray[np.floating]:
    """Multiply both axes of (..., H, W) by a matrix each, plane by plane; first the one that leaves less to do."""
    planes = image.reshape(-1, *image.shape[-2:])
    result = np.empty((len(planes), rows.shape[0], columns.shape[0]), image.dtype)
    for plane, into in zip(planes, result, strict=True):
        if rows.shape[0] < rows.shape[1]:
            reduced = np.empty((plane.shape[1], rows.shape[0]), plane.dtype)
            for left in range(0, plane.shape[1], _IN_CACHE):
                part = slice(left, left + _IN_CACHE)
                reduced[part] = (rows @ plane[:, part]).T
            into[:] = (columns @ reduced).T
        else:
            into[:] = rows @ np.ascontiguousarray((columns @ plane.T).T)
    return result.reshape(*image.shape[:-2], *result.shape[-2:])
