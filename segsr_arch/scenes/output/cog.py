"""Cloud-optimized GeoTIFF: directories first, then overviews from the smallest on, then the pixels, tile by tile.

The overviews are GDAL's. GDAL's own driver for such files would decompress every tile and compress it again, and leaves
out tags of name spaces; here the tiles of a finished GeoTIFF are copied as they are. The layout is that of the OGC
standard 21-026, with the marks by which GDAL knows that it may rely on it (https://gdal.org/drivers/raster/cog.html).
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from segsr_arch.scenes.output.tiff_directory import (
    HEADER_SIZE,
    TILE_LENGTHS,
    TILE_OFFSETS,
    Tag,
    directories,
    header,
    offsets_tag,
    read_directories,
    tag_values,
)

_ALIGNED = 8
_MARKS = (
    "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)
_LEADER, _TRAILER = 4, 4


def overview_factors(height: int, width: int, *, block: int) -> list[int]:
    """How many times smaller the overviews of a raster are: halved until one block holds it."""
    factors: list[int] = []
    while max(height, width) > block << len(factors):
        factors.append(2 << len(factors))
    return factors


def write_cog(source: Path, target: Path) -> None:
    """Lay a tiled GeoTIFF with overviews out anew.

    Args:
        source: A little-endian BigTIFF.
        target: Where to.

    Raises:
        OSError: If the operating system refuses.
    """
    with open(source, "rb") as tiles, open(target, "wb") as file:
        images = read_directories(tiles)
        marks = f"GDAL_STRUCTURAL_METADATA_SIZE={len(_MARKS):06d} bytes\n{_MARKS}".encode()
        begin = -(-(HEADER_SIZE + len(marks)) // _ALIGNED) * _ALIGNED
        places = [_Tiles.of(image) for image in images]
        end = begin + len(directories(images, at=begin))  # as long with other offsets
        for place in reversed(places):
            end = place.move_to(end)
        moved = [_with_offsets(image, place.offsets) for image, place in zip(images, places, strict=True)]
        laid = directories(moved, at=begin)
        file.write((header(begin) + marks).ljust(begin, b"\0") + laid)
        for place in reversed(places):
            for tile in place.read(tiles):
                file.write(struct.pack("<I", len(tile)) + tile + tile[-_TRAILER:].rjust(_TRAILER, b"\0"))
        file.flush()
        os.fsync(file.fileno())


@dataclass(kw_only=True)
class _Tiles:
    """Tiles of one image: where they were, how long they are, where they go."""

    sources: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    offsets: NDArray[np.uint64]

    @classmethod
    def of(cls, image: list[Tag]) -> "_Tiles":
        sources = tag_values(image, TILE_OFFSETS)
        return cls(sources=sources, lengths=tag_values(image, TILE_LENGTHS), offsets=np.zeros_like(sources))

    def move_to(self, begin: int) -> int:
        """Say where the first one goes; where the last one ends."""
        ends = begin + np.cumsum(self.lengths + np.uint64(_LEADER + _TRAILER), dtype=np.uint64)
        self.offsets = ends - self.lengths - np.uint64(_TRAILER)
        return int(ends[-1])

    def read(self, file: BinaryIO) -> Iterator[bytes]:
        for offset, length in zip(self.sources.tolist(), self.lengths.tolist(), strict=True):
            file.seek(offset)
            tile = file.read(length)
            if len(tile) < length or not length:
                raise OSError(f"{file.name}: a tile of it is not there")
            yield tile


def _with_offsets(image: list[Tag], offsets: NDArray[np.uint64]) -> list[Tag]:
    return [tag for tag in image if tag[0] != TILE_OFFSETS] + [offsets_tag(offsets)]
