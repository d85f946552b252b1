"""TIFF of any number of bands and any depth: header and pixels."""

import io
import logging
from typing import BinaryIO

import numpy as np
import tifffile

from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.limits import check_claim
from segsr_arch.images.profiles import foreign_profile

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_COMPRESSIONS = {1: "none", 5: "lzw", 7: "jpeg", 8: "deflate", 32946: "deflate", 32773: "packbits"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = 0, 1, 2, 3
_YCBCR, _JPEG = 6, 7
_OTHER_COLOURS = {5: "CMYK", _YCBCR: "YCbCr", 8: "CIE Lab", 9: "ICC Lab", 10: "ITU Lab"}
_ALPHA = (1, 2)  # associated or not
_ORIENTATION_TAG, _SUBFILE_TAG = 274, 254
_PALETTE_STEPS = 256  # writers put 8 bits into the upper byte, some into both
_REDUCED, _MASK, _FEW_PAGES = 1, 4, 32

# What it grumbles about (tags of GeoTIFF that it does not understand) either decodes or raises as well.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def _colours(page: tifffile.TiffPage) -> str:
    if page.photometric == _PALETTE or page.photometric == _RGB:
        return "RGB"
    if page.photometric == _YCBCR and page.compression == _JPEG:
        return "RGB"  # what decoding makes of it
    if page.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO):
        # Three bands that nobody has named are red, green and blue: so GDAL writes them.
        return {1: "grey", 3: "RGB"}.get(page.samplesperpixel - _has_alpha(page), "bands")
    return _OTHER_COLOURS.get(page.photometric, f"colours of kind {int(page.photometric)}")


def _has_alpha(page: tifffile.TiffPage) -> bool:
    return bool(page.extrasamples) and page.extrasamples[-1] in _ALPHA


def _check_strips(page: tifffile.TiffPage, header: ImageHeader, size: int) -> None:
    """Make sure that the file has all strips that it lists, and that they can hold the image."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if len(page.dataoffsets) != len(page.databytecounts) or max(ends, default=0) > size:
        raise ImageReadError("it is cut short")
    sparse = 0 in page.databytecounts  # strips that GDAL has left out hold nothing but the no-data value
    coding = None if sparse else _COMPRESSIONS.get(int(page.compression))
    bits = header.stored_height * header.stored_width * page.samplesperpixel * page.bitspersample
    subsampled = 2 if page.photometric == _YCBCR else 1
    check_claim(header, claimed=bits // 8 // subsampled, held=sum(page.databytecounts), coding=coding)


def _count_pages(file: tifffile.TiffFile) -> int:
    """Count the pages; of a few, those that are neither smaller copies nor masks."""
    pages = len(file.pages)
    if pages > _FEW_PAGES:
        return pages
    kinds = [int(file.pages.get(number).tags.valueof(_SUBFILE_TAG, default=0)) for number in range(pages)]
    return max(1, sum(not kind & (_REDUCED | _MASK) for kind in kinds))


def read(stream: BinaryIO, size: int) -> ImageHeader:
    """Read the header of the first page; ImageReadError if it has no usable page, or claims more than it holds."""
    with tifffile.TiffFile(stream) as file:
        page = file.pages[0]
        if page.dtype is None or 0 in page.shape or page.imagedepth != 1:
            raise ImageReadError("its first page is of a kind that is not read here")
        orientation = page.tags.valueof(_ORIENTATION_TAG, default=1)
        palette = page.photometric == _PALETTE
        header = ImageHeader(
            format="TIFF",
            stored_height=page.imagelength,
            stored_width=page.imagewidth,
            bands=3 if palette else page.samplesperpixel,
            bits=8 if palette else page.bitspersample,
            dtype="uint8" if palette or page.bitspersample < 8 else page.dtype.name,
            colours=_colours(page),
            alpha=_has_alpha(page),
            palette=palette,
            orientation=orientation if orientation in range(1, 9) else 1,
            pages=_count_pages(file),
            profile=None if page.iccprofile is None else foreign_profile(bytes(page.iccprofile)),
        )
        _check_strips(page, header, size)
    return header


def pixels(data: bytes, header: ImageHeader) -> np.ndarray:
    """Decode the samples: (H, W) or (H, W, bands), white the largest value.

    Raises:
        ImageReadError: If a palette lacks colours that the image uses.
    """
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        planes = page.asarray(squeeze=False, maxworkers=1)  # (separate bands, 1, H, W, interleaved bands)
        stored: np.ndarray = np.moveaxis(planes[:, 0], 0, -1).reshape(*planes.shape[2:4], -1)
        if header.palette:
            table = np.empty((3, 0)) if page.colormap is None else page.colormap
            if table.shape[1] <= stored.max():
                raise ImageReadError("its palette lacks colours that the image uses")
            return np.asarray(table.T[stored[..., 0]] // _PALETTE_STEPS, np.uint8)
        if page.bitspersample < 8:
            stored = (stored.astype(np.uint16) * 255 // (2**page.bitspersample - 1)).astype(np.uint8)
        if page.photometric == _WHITE_IS_ZERO and stored.dtype.kind == "u":
            stored = (255 if page.bitspersample < 8 else 2**page.bitspersample - 1) - stored
    return stored
