"""The formats of image files: which module reads them, how they begin, and how their names usually end.

What a file is, its first bytes say, never its name; of its name is taken what lies in a folder beside images.
"""

from typing import BinaryIO, NamedTuple, Protocol

import numpy as np

from segsr_arch.images import jpeg, other_formats, png, tiff, webp
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader

LONGEST_SIGNATURE = 8


class Reader(Protocol):
    """A module that reads files of a format."""

    @property
    def SIGNATURES(self) -> tuple[bytes, ...]:
        """How its files begin."""

    def read(self, stream: BinaryIO, size: int) -> ImageHeader:
        """Read the header.

        Args:
            stream: The file.
            size: Its length in bytes.

        Raises:
            ImageReadError: If it is not whole, claims more than it holds, or is of a kind that is not read here.
        """

    def pixels(self, data: bytes, header: ImageHeader) -> np.ndarray:
        """Decode the samples: (H, W) or (H, W, bands), red before green before blue; any error says it is damaged."""


class _Format(NamedTuple):
    """A module that reads files, and how the names of such files end.

    Attributes:
        module: The module.
        usual: Endings by which the images of a data set are known.
        rare: Further ones.
    """

    module: Reader
    usual: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()


_FORMATS = (
    _Format(tiff, (".tif", ".tiff")),
    _Format(png, (".png",), (".apng",)),
    _Format(webp, (".webp",)),
    _Format(jpeg, (".jpg", ".jpeg"), (".jpe", ".jfif")),
    _Format(other_formats, rare=(".bmp", ".gif", ".pbm", ".pgm", ".pnm", ".ppm")),
)
IMAGE_SUFFIXES = tuple(ending for each in _FORMATS for ending in each.usual)
"""Endings that count as images in a source. The order is that of preference between two images of one name."""
READ_SUFFIXES = frozenset(ending for each in _FORMATS for ending in (*each.usual, *each.rare))
"""Endings of all files that are read here."""


def reader_of(start: bytes) -> Reader:
    """Find the module that reads a file.

    Args:
        start: Its first bytes, ``LONGEST_SIGNATURE`` of them.

    Raises:
        ImageReadError: If there is none.
    """
    for each in _FORMATS:
        if start.startswith(each.module.SIGNATURES):
            return each.module
    raise ImageReadError("it is empty" if not start else "it is no image (PNG, TIFF, JPEG, WebP, BMP, GIF, PNM)")
