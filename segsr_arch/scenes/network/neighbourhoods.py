"""The global feature at any place of a scene: that of the neighbourhood, changing gradually from place to place."""

import bisect
import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.windows import Window, WindowGrid

_MOST_KEPT = 4096


class Neighbourhoods:
    """Global features I_g (SeG-SR eq. 3) of overlapping parts of a scene, interpolated between their centres.

    Args:
        extract: Gives I_g (1, C) of an LR image (1, 3, h, w).
        read: Gives the LR pixels (3, h, w) of a window of the scene, RGB in [0, 1].
        height: Rows of the scene, in LR pixels.
        width: Columns of the scene, in LR pixels.
        side: Side of a neighbourhood, in LR pixels; neighbours share half of it.
        seen: Side to which a neighbourhood is reduced, by means over areas, before the feature is extracted.
    """

    def __init__(
        self,
        extract: Callable[[Tensor], Tensor],
        read: Callable[[Window], Tensor],
        *,
        height: int,
        width: int,
        side: int,
        seen: int,
    ) -> None:
        self._extract, self._read, self._seen = extract, read, seen
        self._grid = WindowGrid(height=height, width=width, size=side, overlap=side // 2)
        self._kept = functools.lru_cache(_MOST_KEPT)(self._compute)

    def at(self, place: Window) -> Tensor:
        """Give the global feature (1, C) at the centre of a window of the scene."""
        height, width = (min(self._grid.size, side) for side in (self._grid.height, self._grid.width))
        rows = _linear(self._grid.tops, place.top + (place.height - height) / 2)
        columns = _linear(self._grid.lefts, place.left + (place.width - width) / 2)
        parts = [
            row_weight * column_weight * self._kept(Window(top=top, left=left, height=height, width=width))
            for top, row_weight in rows
            for left, column_weight in columns
        ]
        return torch.stack(parts).sum(dim=0)

    def _compute(self, window: Window) -> Tensor:
        image = self._read(window)[None]
        reduction = max(window.height, window.width) / self._seen
        if reduction > 1:
            size = [max(1, round(side / reduction)) for side in (window.height, window.width)]
            image = F.interpolate(image, size=size, mode="area")
        return self._extract(image)


def _linear(starts: Sequence[int], start: float) -> list[tuple[int, float]]:
    """Weights of the one or two of rising starts between which one lies; they sum to one."""
    after = bisect.bisect_right(starts, start)
    if after == 0 or after == len(starts):
        return [(starts[max(after - 1, 0)], 1.0)]
    low, high = starts[after - 1], starts[after]
    part = (start - low) / (high - low)
    return [(low, 1 - part), (high, part)] if part else [(low, 1.0)]
