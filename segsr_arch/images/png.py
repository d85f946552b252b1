"""PNG: header and pixels."""

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np

from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.limits import check_claim
from segsr_arch.images.profiles import exif_orientation, foreign_profile

SIGNATURES = (b"\x89PNG\r\n\x1a\n",)
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type, as stored
_LARGEST_SIDE = 2**31 - 1
_SMALL_CHUNKS = (b"IHDR", b"iCCP", b"tRNS", b"eXIf", b"acTL")
_PROFILE_LIMIT = 1 << 24


def _chunks(stream: BinaryIO, size: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Walk over the chunks up to the last: name, length, and of a few small ones the content.

    Raises:
        ImageReadError: If the file ends before its last chunk.
    """
    position, name = len(SIGNATURES[0]), b""
    while name != b"IEND":
        stream.seek(position)
        head = stream.read(8)
        length, name = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        position += 12 + length
        if not name or position > size:
            raise ImageReadError("it is cut short")
        yield name, length, stream.read(length) if name in _SMALL_CHUNKS else b""


def _profile_of(chunk: bytes) -> str | None:
    packed = chunk.partition(b"\0")[2][1:]
    try:
        return foreign_profile(zlib.decompressobj().decompress(packed, _PROFILE_LIMIT))
    except zlib.error:
        return foreign_profile(b"")


def read(stream: BinaryIO, size: int) -> ImageHeader:
    """Read the header; ImageReadError if it is no whole PNG file, or claims more than it holds."""
    found: dict[bytes, bytes] = {}
    held = 0
    for name, length, content in _chunks(stream, size):
        held += length if name == b"IDAT" else 0
        if content:
            found[name] = content
    if len(found.get(b"IHDR", b"")) != 13:
        raise ImageReadError("it has no header")
    width, height, depth, colour, _, _, _ = struct.unpack(">IIBBBBB", found[b"IHDR"])
    if colour not in _CHANNELS or not 0 < width <= _LARGEST_SIDE or not 0 < height <= _LARGEST_SIDE:
        raise ImageReadError(f"its header claims {width} x {height} pixels of colour type {colour}, which PNG has not")
    alpha = colour in (4, 6) or b"tRNS" in found
    grey = colour in (0, 4)
    header = ImageHeader(
        format="PNG",
        stored_height=height,
        stored_width=width,
        bands=(1 if grey else 3) + alpha,
        bits=8 if colour == 3 else depth,
        dtype="uint16" if depth == 16 else "uint8",
        colours="grey" if grey else "RGB",
        alpha=alpha,
        palette=colour == 3,
        orientation=exif_orientation(found[b"eXIf"]) if b"eXIf" in found else 1,
        pages=max(1, int.from_bytes(found[b"acTL"][:4], "big")) if b"acTL" in found else 1,
        profile=_profile_of(found[b"iCCP"]) if b"iCCP" in found else None,
    )
    row = 1 + (width * _CHANNELS[colour] * depth + 7) // 8
    check_claim(header, claimed=height * row, held=held, coding="deflate")
    return header


def pixels(data: bytes, header: ImageHeader) -> np.ndarray:
    """Decode the samples: (H, W) or (H, W, bands), as stored."""
    return imagecodecs.png_decode(data)
