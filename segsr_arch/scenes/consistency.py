"""LR consistency of scenes: does the output, reduced again, give back the input? Measured, and brought about.

The reduction is the one that makes LR images (:mod:`segsr_arch.degradations.bicubic`): antialiased bicubic, symmetric
borders. Of a type of whole numbers, the reduced output is cut to the range of the type, as LR images are; it is not
rounded. All arrays are in the units of the file. Everything is local, so a scene is done in pieces that have some LR
pixels more on each side: :func:`projection_halo` for :func:`project`, :func:`measuring_halo` for :func:`measure`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

from segsr_arch.degradations import bicubic_operator as operator
from segsr_arch.errors import DataError
from segsr_arch.windows import Window

# Of corrections of what rounding and the range of a type have moved; most images need 3 to 6, saturated ones more.
_ROUNDS = 30
# So many times what is missing is given back at most, where most of a kernel's pixels are at the end of the range.
_MOST_GAIN = 8.0
# Corrections stop a little before half a unit, so that float32 agrees with what is measured in float64.
_AIM = 0.49
# How far in LR pixels corrections are seen to reach: each only reaches as far as the next pixel that misses something.
_CORRECTION_REACH = 16


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """Sums over LR pixels of all bands; those of two pieces are added.

    Attributes:
        pixels: How many were compared: valid ones, under whose kernel all are valid.
        total: Sum of absolute differences of reduced output and input, in the input's units.
        largest: Largest of these differences.
        missed: How many differ by more than half a unit; of floating-point types, by more than rounding explains.
    """

    pixels: int = 0
    total: float = 0.0
    largest: float = 0.0
    missed: int = 0

    def __add__(self, other: "Consistency") -> "Consistency":
        return Consistency(
            pixels=self.pixels + other.pixels,
            total=self.total + other.total,
            largest=max(self.largest, other.largest),
            missed=self.missed + other.missed,
        )

    @property
    def mean(self) -> float:
        """Mean absolute difference, in the input's units; NaN if nothing was compared."""
        return self.total / self.pixels if self.pixels else float("nan")


def measuring_halo(scale: int) -> int:
    """How many LR pixels more :func:`measure` needs on each side of what it counts."""
    return operator.reduction_reach(scale)


def projection_halo(scale: int, dtype: np.dtype[Any]) -> int:
    """How many LR pixels more :func:`project` needs on each side of what is kept.

    24 for floating-point types: from the decay of the inverse, pieces differ from the whole by less than 1e-4 units of
    16 bits. 40 for whole numbers, whose corrections reach further.
    """
    corrections = 0 if np.issubdtype(dtype, np.floating) else _CORRECTION_REACH
    return operator.projection_reach(scale) + corrections


def measure(
    sr: NDArray[Any],
    lr: NDArray[Any],
    *,
    scale: int,
    valid: NDArray[np.bool_] | None = None,
    inner: Window | None = None,
) -> Consistency:
    """Compare the reduced output with the input.

    Args:
        sr: Output (C, scale * h, scale * w) of the type of the input.
        lr: Input (C, h, w).
        scale: Whole number from 2 to 16.
        valid: (C, h, w), false where the input has no data; ``None``: it has data everywhere.
        inner: LR pixels that are counted, of a piece that has more on the sides where the scene goes on; ``None``: all.

    Returns:
        The sums.

    Raises:
        DataError: If sizes or types do not fit.
    """
    _check(sr, lr, scale)
    if sr.dtype != lr.dtype:
        raise DataError(f"expected an output of the type of the input, {lr.dtype}, got {sr.dtype}")
    rows, columns = (inner or Window(height=lr.shape[1], width=lr.shape[2])).slices
    result = Consistency()
    for band in range(len(lr)):
        reduced = operator.reduce_bicubic(sr[band].astype(_working_type(lr.dtype)), scale)
        difference = np.abs(_residual(lr[band], reduced))[rows, columns]
        tolerance = _tolerance(lr[band], scale)[rows, columns]
        if valid is not None:
            compared = _wholly_valid(valid[band], scale)[rows, columns]
            difference, tolerance = difference[compared], tolerance[compared]
        result += Consistency(
            pixels=difference.size,
            total=float(difference.sum(dtype=np.float64)),
            largest=float(difference.max(initial=0.0)),
            missed=int((difference > tolerance).sum()),
        )
    return result


def project(
    sr: NDArray[np.floating],
    lr: NDArray[Any],
    *,
    scale: int,
    valid: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Change an output as little as possible such that its reduction is the input to within half a unit.

    First the orthogonal projection of :func:`segsr_arch.degradations.bicubic_operator.project`. Values of whole numbers
    are then cut to the range of their type and rounded, and where that has moved the reduction by more than half a
    unit, what is missing is projected back, rounded again, and so on, a fixed number of times. Not everything can be
    met within the range of a type (a saturated pixel among dark ones, whose neighbours would have to be brighter):
    :func:`measure` counts what is left.

    Pixels without data ask for nothing, and their reduction stays what it is, so what lies there changes nothing in
    its surroundings. The output must be finite there too.

    Args:
        sr: Output (C, scale * h, scale * w) in the units of the input, neither rounded nor cut; float32 or float64.
        lr: Input (C, h, w).
        scale: Whole number from 2 to 16.
        valid: (C, h, w), false where the input has no data; ``None``: it has data everywhere.

    Returns:
        (C, scale * h, scale * w) of the type of the input. Of a piece, the outermost :func:`projection_halo` LR pixels
        are not those of the whole on sides where the scene goes on.

    Raises:
        DataError: If sizes do not fit.
    """
    _check(sr, lr, scale)
    result = np.empty(sr.shape, lr.dtype)
    working = _working_type(lr.dtype)
    for band in range(len(lr)):
        values = sr[band].astype(working)
        known = None if valid is None else valid[band]
        residual = _residual(lr[band], operator.reduce_bicubic(values, scale), known)
        values = operator.project(values, residual, scale)
        if not np.issubdtype(lr.dtype, np.floating):
            values = _whole_numbers(values, lr[band], scale, known)
        result[band] = values
    return result


def _whole_numbers(
    values: NDArray[np.floating], lr: NDArray[Any], scale: int, valid: NDArray[np.bool_] | None
) -> NDArray[np.floating]:
    """Cut and round one band (H, W), and correct where that has moved the reduction by more than half a unit."""
    limits = np.iinfo(lr.dtype)
    np.clip(values, limits.min, limits.max, out=values)
    rounded: NDArray[np.floating] = np.rint(values)
    reduced = operator.reduce_bicubic(rounded, scale)
    down, across = (operator.reduction_matrix(length, scale, values.dtype) for length in lr.shape)
    # Given back through the transposed reduction, what a pixel misses would change it by so much of it.
    energy = operator.kernel_energy(scale)

    def given_back(missing: NDArray[np.floating]) -> sparse.coo_array:
        """Its share for each pixel of the kernels of those that miss something, but none for those at their limit."""
        change = (down.T @ sparse.csr_array(missing) @ across).tocoo()
        there = values[change.row, change.col]
        movable = np.where(change.data > 0, there < limits.max, there > limits.min)
        return sparse.coo_array((change.data * movable, (change.row, change.col)), shape=values.shape)

    for _ in range(_ROUNDS):
        missing = _residual(lr, reduced, valid)
        missing[np.abs(missing) <= _AIM] = 0
        if not missing.any():
            break
        reply = (down @ given_back(missing).tocsr() @ across.T).toarray()
        share = np.divide(missing, reply, out=np.full_like(missing, np.inf), where=missing * reply > 0)
        change = given_back(missing * share.clip(max=_MOST_GAIN / energy))
        places = (change.row, change.col)
        values[places] = np.clip(values[places] + change.data, limits.min, limits.max)
        moved = np.rint(values[places]) - rounded[places]
        rounded[places] += moved
        reduced += (down @ sparse.csr_array((moved, places), shape=values.shape) @ across.T).toarray()
    return rounded


def _working_type(stored: np.dtype[Any]) -> type[np.floating]:
    """The type to compute in: 8 bits in float32 are exact to 1e-4 units, 16 bits would not be exact enough."""
    return np.float32 if stored.itemsize == 1 else np.float64


def _residual(
    lr: NDArray[Any], reduced: NDArray[np.floating], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.floating]:
    """What the reduced output misses, (h, w) of its type; zero where there is no data."""
    if not np.issubdtype(lr.dtype, np.floating):
        limits = np.iinfo(lr.dtype)
        reduced = reduced.clip(limits.min, limits.max)
    residual: NDArray[np.floating] = lr.astype(reduced.dtype) - reduced
    return residual if valid is None else np.where(valid, residual, 0)


def _wholly_valid(valid: NDArray[np.bool_], scale: int) -> NDArray[np.bool_]:
    """LR pixels whose kernel covers valid pixels alone."""
    side = 2 * operator.reduction_reach(scale) + 1
    return np.asarray(ndimage.minimum_filter(valid, size=side, mode="nearest"))


def _tolerance(lr: NDArray[Any], scale: int) -> NDArray[np.floating]:
    """How far the reduction of an output may lie from the input where both are the same but for rounding, (h, w)."""
    if not np.issubdtype(lr.dtype, np.floating):
        return np.broadcast_to(np.float32(0.5), lr.shape)
    # Half a unit in the last place of values around, whose absolute weights sum to at most 1.42.
    magnitude = np.abs(np.where(np.isfinite(lr), lr, 0)).astype(np.float64)
    side = 2 * operator.reduction_reach(scale) + 1
    largest = ndimage.maximum_filter(magnitude, size=side, mode="nearest")
    return np.asarray(2 * float(np.finfo(lr.dtype).eps) * largest)


def _check(sr: NDArray[Any], lr: NDArray[Any], scale: int) -> None:
    if sr.shape != (len(lr), *(scale * side for side in lr.shape[1:])):
        raise DataError(f"an output of shape {sr.shape} is not {scale} times an input of shape {lr.shape}")
