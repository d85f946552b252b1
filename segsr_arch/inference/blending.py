"""Weights with which overlapping windows are blended: along every axis they sum to one exactly, in any order."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segsr_arch.windows import Window, WindowGrid

STEPS = 1024
"""Weights along one axis are whole multiples of one over this: sums of them, and products of two, have no rounding."""


def axis_weights(starts: Sequence[int], size: int, overlap: int) -> list[Tensor]:
    """Weights of windows along one axis.

    Args:
        starts: First pixels of the windows, rising; together the windows cover the axis.
        size: Pixels of each window.
        overlap: Pixels over which a window's weight rises from its edge, before the weights are made to sum to one.

    Returns:
        For each window (size,) int32 from 0 to :data:`STEPS`; those of all windows at a pixel sum to it.
    """
    position = torch.arange(size)
    ramp = (2 * torch.minimum(position, size - 1 - position) + 1).clamp(max=max(2 * overlap, 1))
    total = torch.zeros(starts[-1] + size, dtype=torch.int64)
    for start in starts:
        total[start : start + size] += ramp
    weights = [STEPS * ramp // total[start : start + size] for start in starts]
    rest = torch.full_like(total, STEPS)
    for start, values in zip(starts, weights, strict=True):
        rest[start : start + size] -= values
    for start, values in zip(starts, weights, strict=True):  # what rounding left goes to the first window of a pixel
        values += rest[start : start + size]
        rest[start : start + size] = 0
    return [values.to(torch.int32) for values in weights]


class BlendingWeights:
    """Weights of the windows of a grid, at the size that a network gives back.

    Args:
        grid: The windows, in LR pixels.
        scale: Scale of the network.
    """

    def __init__(self, grid: WindowGrid, *, scale: int) -> None:
        rows = _scaled(grid.tops, min(grid.size, grid.height), grid.overlap, scale)
        columns = _scaled(grid.lefts, min(grid.size, grid.width), grid.overlap, scale)
        self._rows = dict(zip(grid.tops, rows, strict=True))
        self._columns = dict(zip(grid.lefts, columns, strict=True))
        self._planes: dict[tuple[bytes, bytes], Tensor] = {}  # few differ: those at the edges, and all others

    def at(self, window: Window) -> Tensor:
        """Weights of a window of the grid.

        Returns:
            (height, width) of its SR pixels, float32 from 0 to 1, shared by windows: not to be changed.
        """
        rows, columns = self._rows[window.top], self._columns[window.left]
        key = rows.numpy().tobytes(), columns.numpy().tobytes()
        if key not in self._planes:
            self._planes[key] = (rows[:, None] * columns[None, :]).float() / STEPS**2
        return self._planes[key]


def _scaled(starts: Sequence[int], size: int, overlap: int, scale: int) -> list[Tensor]:
    return axis_weights([start * scale for start in starts], size * scale, overlap * scale)
