"""A block of a raster: what is written of it at once."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Block:
    """Pixels of one block of a raster.

    Attributes:
        row: Which row of blocks it lies in, from 0.
        column: Which column of blocks.
        values: (count, h, w), h and w the block's size or what the raster has left at its right and lower edges.
    """

    row: int
    column: int
    values: NDArray[Any]
