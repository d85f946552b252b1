"""Images of many kinds as the bytes of their files, each with the pixels that it holds."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

from tests.support import make_image

HEIGHT, WIDTH = 48, 40
PIXELS = make_image(3, HEIGHT, WIDTH)
"""(H, W, 3) RGB, 8 bits."""
GREY = PIXELS[..., :1]
WIDE = PIXELS.astype(np.uint16) * 16 + 7
FLOAT = PIXELS.astype(np.float32) / 100


def encode(image, kind="PNG", mode=None, **options):
    """Encode an array or a Pillow image with Pillow."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image.squeeze(), mode) if mode else Image.fromarray(image.squeeze())
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(image, **options):
    """Encode an array as TIFF, interleaved unless told otherwise."""
    stream = io.BytesIO()
    if "photometric" not in options:
        options["photometric"] = "rgb" if image.shape[-1] == 3 else "minisblack"
    tifffile.imwrite(stream, image, **{"planarconfig": "contig", **options} if image.shape[-1] > 1 else options)
    return stream.getvalue()


def chunk(name, content):
    """One chunk of a PNG file."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, *, data, depth=8, colour=2, chunks=b""):
    """A PNG file that claims a size, whatever its data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    end = chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunks + end


def wide_png(image):
    """A 16-bit PNG of (H, W, 1 or 3)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    height, width, bands = image.shape
    return png(width, height, data=zlib.compress(rows), depth=16, colour={1: 0, 3: 2}[bands])


def oriented(number):
    """EXIF with an orientation."""
    exif = Image.Exif()
    exif[0x112] = number
    return exif


def broken_strip(data, page=0):
    """Damage one compressed strip of a TIFF file in its middle."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        offset, count = file.pages[page].dataoffsets[1], file.pages[page].databytecounts[1]
    damaged = bytearray(data)
    damaged[offset + count // 2 : offset + count] = bytes(count - count // 2)
    return bytes(damaged)
