"""Which module reads which file, by the file's first bytes, never by its name."""

from types import ModuleType

from segsr_arch.images import jpeg, other_formats, png, tiff, webp
from segsr_arch.images.errors import ImageReadError

LONGEST_SIGNATURE = 8
_READERS = (
    (png.SIGNATURE, png),
    (jpeg.SIGNATURE, jpeg),
    (webp.SIGNATURE, webp),
    *((signature, tiff) for signature in tiff.SIGNATURES),
    *((signature, other_formats) for signature in other_formats.SIGNATURES),
)


def reader_of(start: bytes) -> ModuleType:
    """Find the module, with ``read`` and ``pixels``, that reads a file.

    Args:
        start: Its first bytes, ``LONGEST_SIGNATURE`` of them.

    Raises:
        ImageReadError: If there is none.
    """
    for signature, module in _READERS:
        if start.startswith(signature):
            return module
    raise ImageReadError("it is empty" if not start else "it is no image (PNG, TIFF, JPEG, WebP, BMP, GIF, PNM)")
