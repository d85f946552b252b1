"""WebP: header and pixels."""

import struct
from typing import BinaryIO

import imagecodecs
import numpy as np

from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.profiles import exif_orientation, foreign_profile

SIGNATURES = (b"RIFF",)
_KIND = b"WEBP"
_ALPHA_FLAG = 0x10


def _chunks(stream: BinaryIO, size: int) -> list[tuple[bytes, bytes]]:
    """The chunks by name; of image data the first bytes, of the others all.

    Raises:
        ImageReadError: If it is no WebP file, or not a whole one.
    """
    stream.seek(0)
    head = stream.read(12)
    end = 8 + int.from_bytes(head[4:8], "little")
    if head[8:] != _KIND:
        raise ImageReadError("it is no WebP file")
    if end > size:
        raise ImageReadError("it is cut short")
    found, position = [], 12
    while position + 8 <= end:
        stream.seek(position)
        name, length = struct.unpack("<4sI", stream.read(8))
        found.append((name, stream.read(length if name in (b"EXIF", b"ICCP") else min(length, 16))))
        position += 8 + length + length % 2
    return found


def _lossy_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack("<HH", data[6:10])
    return width & 0x3FFF, height & 0x3FFF


def _lossless_size(data: bytes) -> tuple[int, int]:
    packed = int.from_bytes(data[1:5], "little")
    return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1


def _canvas_size(data: bytes) -> tuple[int, int]:
    return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1


_SIZES = {b"VP8X": _canvas_size, b"VP8L": _lossless_size, b"VP8 ": _lossy_size}


def read(stream: BinaryIO, size: int) -> ImageHeader:
    """Read the header; ImageReadError if it is no whole WebP file."""
    chunks = _chunks(stream, size)
    first = dict(reversed(chunks))
    name = next((name for name in _SIZES if len(first.get(name, b"")) >= 10), None)
    if name is None:
        raise ImageReadError("it says no size")
    width, height = _SIZES[name](first[name])
    alpha = bool(first[b"VP8X"][0] & _ALPHA_FLAG) if name == b"VP8X" else name == b"VP8L" and bool(first[name][4] & 16)
    return ImageHeader(
        format="WebP",
        stored_height=height,
        stored_width=width,
        bands=3 + alpha,
        bits=8,
        dtype="uint8",
        colours="RGB",
        alpha=alpha,
        orientation=exif_orientation(first[b"EXIF"]) if b"EXIF" in first else 1,
        pages=max(1, sum(name == b"ANMF" for name, _ in chunks)),
        profile=foreign_profile(first[b"ICCP"]) if b"ICCP" in first else None,
    )


def pixels(data: bytes, header: ImageHeader) -> np.ndarray:
    """Decode the samples, (H, W, bands), of the first picture."""
    return imagecodecs.webp_decode(data, hasalpha=header.alpha)
