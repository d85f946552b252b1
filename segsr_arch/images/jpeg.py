"""JPEG: header and pixels."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import imagecodecs
import numpy as np

from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.limits import check_claim
from segsr_arch.images.profiles import exif_orientation, foreign_profile

SIGNATURES = (b"\xff\xd8\xff",)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ARITHMETIC = range(0xC9, 0xD0)
_START_OF_SCAN, _END = 0xDA, b"\xff\xd9"
_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"
_TAIL = 1 << 16
_COLOURS = {1: "grey", 3: "RGB", 4: "CMYK"}


def _segments(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Walk over the segments up to the head of the first scan, behind which the stream then stands.

    Yields:
        Marker and content.

    Raises:
        ImageReadError: If there is no scan.
    """
    stream.seek(2)
    marker = 0
    while marker != _START_OF_SCAN:
        byte = stream.read(1)
        while byte not in (b"\xff", b""):  # what libjpeg passes over, too
            byte = stream.read(1)
        while byte == b"\xff":
            byte = stream.read(1)
        length = stream.read(2)
        if len(byte + length) < 3:
            raise ImageReadError("it is cut short")
        marker = byte[0]
        yield marker, stream.read(max(0, int.from_bytes(length, "big") - 2))


def _ends(stream: BinaryIO, size: int) -> bool:
    """Whether the scans, of which the stream stands before the first, have an end."""
    start = stream.tell()
    stream.seek(max(start, size - _TAIL))  # there, nearly always
    if _END in stream.read():
        return True
    stream.seek(start)
    return _END in stream.read()


def _profile_of(parts: list[bytes]) -> str | None:
    """Profiles above 64 KiB are spread over segments, each with its number in front."""
    return foreign_profile(b"".join(part[2:] for part in sorted(parts))) if parts else None


def read(stream: BinaryIO, size: int) -> ImageHeader:
    """Read the header; ImageReadError if it is cut short, has no frame, or claims more than it holds."""
    frame, orientation, profile = None, 1, []
    for marker, content in _segments(stream):
        if marker in _FRAMES and len(content) >= 6:
            frame = marker, *struct.unpack(">BHHB", content[:6])
        elif marker == 0xE1 and content.startswith(_EXIF):
            orientation = exif_orientation(content)
        elif marker == 0xE2 and content.startswith(_ICC):
            profile.append(content[len(_ICC) :])
    if not _ends(stream, size):  # the decoder would make up what is missing
        raise ImageReadError("it is cut short")
    if frame is None or not (frame[2] and frame[3]):
        raise ImageReadError("it says no size")
    kind, bits, height, width, bands = frame
    header = ImageHeader(
        format="JPEG",
        stored_height=height,
        stored_width=width,
        bands=bands,
        bits=bits,
        dtype="uint8" if bits <= 8 else "uint16",
        colours=_COLOURS.get(bands, "bands"),
        orientation=orientation,
        profile=_profile_of(profile),
    )
    coding = None if kind in _ARITHMETIC else "jpeg"
    check_claim(header, claimed=height * width, held=size, coding=coding)
    return header


def pixels(data: bytes, header: ImageHeader) -> np.ndarray:
    """Decode the samples: (H, W) or (H, W, bands), RGB."""
    return imagecodecs.jpeg8_decode(data)
