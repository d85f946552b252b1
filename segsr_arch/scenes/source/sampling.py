"""A look at a raster before it is upscaled: some of its blocks, and whether it has a valid pixel at all."""

from collections.abc import Iterator, Sequence

import numpy as np

from segsr_arch.scenes.source.reader import BandReader
from segsr_arch.windows import Window

_MOST_BLOCKS = 64
_LONGEST_SIDE = 128  # of what is looked at of a block
_OVERVIEW_SIDE = 1024
_PIXELS_AT_ONCE = 1 << 20


def look(reader: BandReader, region: Window, positions: Sequence[int]) -> list[np.ndarray]:
    """Read up to 64 blocks that are spread over a region.

    Args:
        reader: Reads bands of a raster.
        region: Where to look, in its pixels.
        positions: Which bands of those that are read.

    Returns:
        Of each of these bands, the valid values of all blocks in one row.
    """
    seen: list[list[np.ndarray]] = [[] for _ in positions]
    for window in _spread_blocks(region, reader.block):
        pixels = reader.read(window)
        for values, position in zip(seen, positions, strict=True):
            values.append(pixels.values[position][pixels.valid[position]])
    return [np.concatenate(values) for values in seen]


def _spread_blocks(region: Window, block: tuple[int, int]) -> Iterator[Window]:
    """Beginnings of blocks on a grid over a region, rows first, as files are stored."""
    height, width = (min(side, _LONGEST_SIDE) for side in block)
    available_rows, available_columns = -(-region.height // height), -(-region.width // width)
    rows = min(available_rows, max(8, _MOST_BLOCKS // min(available_columns, 8)))
    columns = min(available_columns, _MOST_BLOCKS // rows)
    for row in range(rows):
        for column in range(columns):
            top = region.top + row * available_rows // rows * height
            left = region.left + column * available_columns // columns * width
            found = Window(top=top, left=left, height=height, width=width).intersection(region)
            if found is not None:
                yield found


def has_valid_pixel(reader: BandReader, region: Window, positions: Sequence[int]) -> bool:
    """Whether any pixel of some bands is valid: by the overviews if there are any, else row by row up to the first.

    Args:
        reader: Reads bands of a raster.
        region: Where to look, in its pixels.
        positions: Which bands of those that are read.
    """
    if reader.has_overviews and reader.read(region, longest_side=_OVERVIEW_SIDE).valid[list(positions)].any():
        return True
    rows = max(1, _PIXELS_AT_ONCE // region.width)
    for top in range(region.top, region.bottom, rows):
        strip = Window(top=top, left=region.left, height=min(rows, region.bottom - top), width=region.width)
        if reader.read(strip).valid[list(positions)].any():
            return True
    return False
