"""Seams: are the borders of windows steeper than the rest of the output?

The measure is the mean absolute difference of neighbouring pixels across the borders of windows, where one begins or
ends, over that across all other borders of LR pixels: 1 where windows cannot be told from the rest. Neighbours within
an LR pixel do not count, because windows never begin there, and outputs differ less there (that of the nearest
neighbour not at all). It is computed from sums, which are added over pieces of a scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segsr_arch.windows import Window, WindowGrid


@dataclass(frozen=True, kw_only=True)
class Seams:
    """Sums of absolute differences of neighbours across borders of LR pixels; those of two pieces are added.

    Attributes:
        across: Sum of those across borders of windows.
        across_count: How many these are.
        elsewhere: Sum of all others.
        elsewhere_count: How many these are.
    """

    across: float = 0.0
    across_count: int = 0
    elsewhere: float = 0.0
    elsewhere_count: int = 0

    def __add__(self, other: "Seams") -> "Seams":
        return Seams(
            across=self.across + other.across,
            across_count=self.across_count + other.across_count,
            elsewhere=self.elsewhere + other.elsewhere,
            elsewhere_count=self.elsewhere_count + other.elsewhere_count,
        )

    @property
    def ratio(self) -> float:
        """Mean across borders over mean elsewhere; NaN if one of them is of nothing, or nothing changes elsewhere."""
        if not self.across_count or not self.elsewhere:
            return float("nan")
        return (self.across / self.across_count) / (self.elsewhere / self.elsewhere_count)


def border_positions(starts: Sequence[int], size: int, length: int, scale: int) -> NDArray[np.intp]:
    """Where windows begin or end within one axis of the output.

    Args:
        starts: First LR pixels of the windows.
        size: LR pixels of a window.
        length: LR pixels of the axis; its own ends are no borders.
        scale: Scale of the output.

    Returns:
        Sorted output pixels b: the border lies between b - 1 and b.
    """
    ends = {start + size for start in starts} | set(starts)
    return np.array(sorted(scale * end for end in ends if 0 < end < length), np.intp)


def measure_seams(
    sr: NDArray[Any],
    windows: WindowGrid,
    *,
    scale: int,
    place: Window,
    valid: NDArray[np.bool_] | None = None,
) -> Seams:
    """Measure a piece of the output.

    Each pair of neighbours belongs to the piece that holds the right or the lower one of them: a piece that does not
    begin at the scene's edge comes with the row above and the column on its left, which ``place`` says.

    Args:
        sr: Pixels (C, H, W) of the piece, of any real type.
        windows: The windows of the whole scene, in LR pixels.
        scale: Scale of the output.
        place: Where the piece lies in the output, in output pixels. Its first row and column are only neighbours of
            others unless they are the first of the scene.
        valid: (C, H, W) or (1, H, W), false where there is no data; such pixels are nobody's neighbours.

    Returns:
        The sums.
    """
    result = Seams()
    axes = ((1, windows.tops, windows.height, place.top), (2, windows.lefts, windows.width, place.left))
    for axis, starts, length, first in axes:
        borders = border_positions(starts, min(windows.size, length), length, scale)
        begin = scale - first % scale
        positions = np.arange(first + begin, first + sr.shape[axis], scale)
        # Pairs along this axis lie in rows or columns of which the first is another piece's.
        others = int((place.left if axis == 1 else place.top) > 0)
        pairs = _pairs(sr, axis, begin, scale, others)
        known = None if valid is None else np.logical_and(*_pairs(valid, axis, begin, scale, others))
        result += _sums(pairs, known, np.isin(positions, borders), axis)
    return result


def _pairs(image: NDArray[Any], axis: int, begin: int, step: int, others: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """The pixels before and behind each border along an axis, as views: every so many pixels is one, from ``begin``."""
    along: list[slice] = [slice(None), slice(others, None), slice(others, None)]
    along[axis] = slice(begin, None, step)
    behind = image[tuple(along)]
    along[axis] = slice(begin - 1, image.shape[axis] - 1, step)
    return image[tuple(along)], behind


def _sums(
    pairs: tuple[NDArray[Any], NDArray[Any]], known: NDArray[np.bool_] | None, is_border: NDArray[np.bool_], axis: int
) -> Seams:
    """Sum up pairs; ``is_border`` tells which positions along the axis are borders of windows."""
    before, behind = pairs
    # Differences of small whole numbers are exact in a narrow type, which is several times as fast.
    working = {"uint8": np.int16, "int8": np.int16, "uint16": np.int32, "int16": np.int32}.get(before.dtype.name)
    steps = np.subtract(behind, before, dtype=working or np.float64)
    np.abs(steps, out=steps)
    over = tuple(each for each in range(3) if each != axis)
    if known is None:
        counts = np.full(steps.shape[axis], steps.size // max(steps.shape[axis], 1))
    else:
        known = np.broadcast_to(known, steps.shape)
        steps = np.where(known, steps, 0)
        counts = known.sum(axis=over)
    sums = steps.sum(axis=over, dtype=np.int64 if working else np.float64)
    return Seams(
        across=float(sums[is_border].sum()),
        across_count=int(counts[is_border].sum()),
        elsewhere=float(sums[~is_border].sum()),
        elsewhere_count=int(counts[~is_border].sum()),
    )
