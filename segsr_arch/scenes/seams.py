"""Seams: are the borders of windows steeper than the rest of the output?

The measure is the mean absolute difference of neighbouring pixels across the borders of windows, where one begins or
ends, over that of all other neighbours: 1 where borders cannot be told from the rest. It is computed from sums, which
are added over pieces of a scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segsr_arch.windows import Window, WindowGrid


@dataclass(frozen=True, kw_only=True)
class Seams:
    """Sums of absolute differences of neighbouring pixels; those of two pieces are added.

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
        begins = (place.left if axis == 1 else place.top) > 0
        along = np.moveaxis(sr, axis, -1)
        # Pairs along this axis lie in rows or columns of which the first is another piece's.
        along = along[:, 1:] if begins else along
        known = None if valid is None else np.moveaxis(valid, axis, -1)[:, 1 if begins else 0 :]
        borders = border_positions(starts, min(windows.size, length), length, scale) - first
        result += _measure_axis(along, known, borders[(borders > 0) & (borders < sr.shape[axis])])
    return result


def _measure_axis(along: NDArray[Any], known: NDArray[np.bool_] | None, borders: NDArray[np.intp]) -> Seams:
    """Measure pairs along the last axis of (C, N, L); a border lies before pixel b."""
    is_border = np.zeros(max(along.shape[-1] - 1, 0), np.bool_)
    is_border[borders - 1] = True
    across = elsewhere = 0.0
    across_count = elsewhere_count = 0
    for band in range(len(along)):
        values = along[band].astype(np.float32 if along.dtype.itemsize == 1 else np.float64)
        steps = np.abs(np.diff(values, axis=-1))
        counts = np.full(steps.shape[-1], steps.shape[0])
        if known is not None:
            both = known[band % len(known)]
            both = both[:, 1:] & both[:, :-1]
            steps = np.where(both, steps, 0)
            counts = both.sum(axis=0)
        sums = steps.sum(axis=0, dtype=np.float64)
        across += float(sums[is_border].sum())
        elsewhere += float(sums[~is_border].sum())
        across_count += int(counts[is_border].sum())
        elsewhere_count += int(counts[~is_border].sum())
    return Seams(across=across, across_count=across_count, elsewhere=elsewhere, elsewhere_count=elsewhere_count)
