"""Directories of BigTIFF files: where the tiles of a raster lie and how they are stored, and nothing else.

What the pixels mean (georeference, tags, names of bands) is written by GDAL afterwards. Numbers and types of tags are
those of TIFF 6.0 and of the BigTIFF design; all values are little-endian.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from segsr_arch.scenes.output.tile_coding import TileCoding

HEADER_SIZE = 16
TILE_OFFSETS, TILE_LENGTHS = 324, 325
_BYTE, _SHORT, _LONG, _LONG8 = (1, "u1"), (3, "<u2"), (4, "<u4"), (16, "<u8")
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FORMATS = {"u": 1, "i": 2, "f": 3}
_GREY, _RGB, _MASK = 1, 2, 4
_ASSOCIATED, _UNASSOCIATED = 1, 2  # alpha that is multiplied into the other bands, and one that is not

Tag: TypeAlias = tuple[int, bytes]
"""A tag's number, and its entry in a directory: number, type, count, and all of its values wherever they lie."""


@dataclass(frozen=True, kw_only=True)
class TileTable:
    """Where the tiles of a raster lie in a file.

    Attributes:
        height: Rows of the raster.
        width: Columns of the raster.
        block: Rows and columns of a tile.
        offsets: (tiles,), first byte of each tile, row by row of tiles; 0 where none was written.
        lengths: (tiles,), bytes of each tile.
    """

    height: int
    width: int
    block: int
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]

    @classmethod
    def empty(cls, *, height: int, width: int, block: int) -> "TileTable":
        """A table without any tile yet."""
        tiles = -(-height // block) * -(-width // block)
        offsets, lengths = np.zeros(tiles, np.uint64), np.zeros(tiles, np.uint64)
        return cls(height=height, width=width, block=block, offsets=offsets, lengths=lengths)

    @property
    def columns(self) -> int:
        """How many tiles lie side by side."""
        return -(-self.width // self.block)

    @property
    def rows(self) -> int:
        """How many tiles lie one below the other."""
        return -(-self.height // self.block)

    def put(self, *, row: int, column: int, offset: int, length: int) -> None:
        """Note where a tile lies; changes the table."""
        index = row * self.columns + column
        self.offsets[index], self.lengths[index] = offset, length

    def missing(self) -> int:
        """How many tiles have no place yet."""
        return int(np.count_nonzero(self.lengths == 0))


def header(first_directory: int) -> bytes:
    """The first 16 bytes of a little-endian BigTIFF file.

    Args:
        first_directory: Where the first directory lies; 0 as long as there is none.
    """
    return struct.pack("<2sHHHQ", b"II", 43, 8, 0, first_directory)


def image_tags(
    table: TileTable,
    coding: TileCoding,
    *,
    rgb: bool,
    alpha: int | None,
    premultiplied: bool = False,
    xmp: str | None = None,
) -> list[Tag]:
    """Tags of a raster's directory.

    Args:
        table: Where its tiles lie.
        coding: How they are stored.
        rgb: Whether the first three bands are red, green and blue.
        alpha: Position of the band that is alpha, from 0; ``None`` without one.
        premultiplied: Whether alpha is multiplied into the other bands.
        xmp: A document of XMP, if there is one.

    Returns:
        For :func:`directories`.
    """
    dtype, colours = np.dtype(coding.dtype), 3 if rgb else 1
    kind = _ASSOCIATED if premultiplied else _UNASSOCIATED
    extra = [kind if band == alpha else 0 for band in range(colours, coding.count)]
    tags = [
        *_grid_tags(table),
        _tag(258, _SHORT, [dtype.itemsize * 8] * coding.count),
        _tag(259, _SHORT, [coding.compression_tag]),
        _tag(262, _SHORT, [_RGB if rgb else _GREY]),
        _tag(277, _SHORT, [coding.count]),
        _tag(339, _SHORT, [_FORMATS[dtype.kind]] * coding.count),
    ]
    if coding.predictor_tag != 1:
        tags.append(_tag(317, _SHORT, [coding.predictor_tag]))
    if xmp is not None:
        tags.append(_tag(700, _BYTE, np.frombuffer(xmp.encode(), np.uint8)))
    if extra:
        tags.append(_tag(338, _SHORT, extra))
    return tags


def mask_tags(table: TileTable) -> list[Tag]:
    """Tags of the directory of a mask that belongs to the raster before it: one bit a pixel, deflated."""
    return [
        _tag(254, _LONG, [4]),
        *_grid_tags(table),
        _tag(258, _SHORT, [1]),
        _tag(259, _SHORT, [8]),
        _tag(262, _SHORT, [_MASK]),
        _tag(277, _SHORT, [1]),
        _tag(339, _SHORT, [1]),
    ]


def directories(images: Sequence[Sequence[Tag]], *, at: int) -> bytes:
    """Lay out a chain of directories.

    Args:
        images: Tags of each, from :func:`image_tags` and :func:`mask_tags`.
        at: Where in the file the first one will lie, a multiple of 8.

    Returns:
        Their bytes, of a length that is a multiple of 8.
    """
    laid = b""
    for number, tags in enumerate(images):
        begin = at + len(laid)
        behind = begin + 8 + 20 * len(tags) + 8  # where values go that have no room in their entry
        entries, values = b"", b""
        for _, entry in sorted(tags):
            fixed, value = entry[:12], entry[12:]
            if len(value) <= 8:
                entries += fixed + value.ljust(8, b"\0")
            else:
                values += b"\0" * (-(behind + len(values)) % 8)
                entries += fixed + struct.pack("<Q", behind + len(values))
                values += value
        end = behind + len(values)
        padding = -end % 8
        following = end + padding if number + 1 < len(images) else 0
        laid += struct.pack("<Q", len(tags)) + entries + struct.pack("<Q", following) + values + b"\0" * padding
    return laid


def read_directories(file: BinaryIO) -> list[list[Tag]]:
    """Read the chain of directories of a little-endian BigTIFF file.

    Args:
        file: The file, open for reading.

    Returns:
        Tags of each directory, in the order of the chain.

    Raises:
        OSError: If it is none, or is cut short.
    """

    def read(at: int, size: int) -> bytes:
        file.seek(at)
        data = file.read(size)
        if len(data) < size:
            raise OSError(f"{file.name}: it is cut short")
        return data

    first = read(0, HEADER_SIZE)
    (at,) = struct.unpack("<Q", first[8:])
    if first != header(at):
        raise OSError(f"{file.name}: it is no BigTIFF file")
    images = []
    while at:
        (count,) = struct.unpack("<Q", read(at, 8))
        entries = read(at + 8, 20 * count + 8)
        tags = []
        for begin in range(0, 20 * count, 20):
            number, kind, values = struct.unpack("<HHQ", entries[begin : begin + 12])
            size, inside = values * _SIZES[kind], entries[begin + 12 : begin + 20]
            (place,) = struct.unpack("<Q", inside)
            value = inside[:size] if size <= 8 else read(place, size)
            tags.append((number, entries[begin : begin + 12] + value))
        images.append(tags)
        (at,) = struct.unpack("<Q", entries[-8:])
    return images


def tag_values(image: Sequence[Tag], number: int) -> NDArray[np.uint64]:
    """The values of a tag that holds whole numbers.

    Args:
        image: Tags of a directory.
        number: Number of the tag, which is among them.
    """
    entry = dict(image)[number]
    kind = struct.unpack("<HHQ", entry[:12])[1]
    return np.frombuffer(entry[12:], f"<u{_SIZES[kind]}").astype(np.uint64)


def offsets_tag(offsets: NDArray[np.uint64]) -> Tag:
    """The tag that says where the tiles lie."""
    return _tag(TILE_OFFSETS, _LONG8, offsets)


def _grid_tags(table: TileTable) -> list[Tag]:
    return [
        _tag(256, _LONG, [table.width]),
        _tag(257, _LONG, [table.height]),
        _tag(284, _SHORT, [1]),  # the values of a pixel side by side
        _tag(322, _LONG, [table.block]),
        _tag(323, _LONG, [table.block]),
        offsets_tag(table.offsets),
        _tag(TILE_LENGTHS, _LONG8, table.lengths),
    ]


def _tag(number: int, kind: tuple[int, str], values: Any) -> Tag:
    code, dtype = kind
    array = np.asarray(values, dtype)
    return number, struct.pack("<HHQ", number, code, array.size) + array.tobytes()
