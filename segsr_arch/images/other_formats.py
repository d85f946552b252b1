"""BMP, GIF and netpbm, through Pillow: header and pixels."""

import io
from typing import BinaryIO

import numpy as np
from PIL import BmpImagePlugin, GifImagePlugin, Image, ImageFile, PpmImagePlugin

from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader

# Not through Image.open, whose guard against large images is one number for the whole process.
_PLUGINS = {
    b"BM": ("BMP", BmpImagePlugin.BmpImageFile),
    b"GIF8": ("GIF", GifImagePlugin.GifImageFile),
    **{b"P%d" % number: ("PNM", PpmImagePlugin.PpmImageFile) for number in range(1, 7)},
}
SIGNATURES = tuple(_PLUGINS)
# By Pillow's mode: the mode that decoding gives, and the colours.
_MODES = {
    "1": ("L", "grey"),
    "L": ("L", "grey"),
    "LA": ("LA", "grey"),
    "P": ("RGB", "RGB"),
    "RGB": ("RGB", "RGB"),
    "RGBA": ("RGBA", "RGB"),
}


def _open(stream: BinaryIO) -> tuple[str, ImageFile.ImageFile]:
    stream.seek(0)
    start = stream.read(4)
    stream.seek(0)
    name, plugin = next(found for signature, found in _PLUGINS.items() if start.startswith(signature))
    return name, plugin(stream)


def _decoded_mode(image: Image.Image) -> str:
    mode = "RGBA" if image.mode == "P" and "transparency" in image.info else image.mode
    return _MODES[mode][0]


def read(stream: BinaryIO, size: int) -> ImageHeader:
    """Read the header; ImageReadError if it has more than 8 bits, which Pillow would cut, or unknown colours."""
    name, image = _open(stream)
    deep = name == "PNM" and any(isinstance(part, int) and part > 255 for tile in image.tile for part in tile[3] or ())
    if deep or image.mode not in _MODES:
        raise ImageReadError(f"{name} with more than 8 bits a sample, or of mode {image.mode}: save it as PNG or TIFF")
    mode = _decoded_mode(image)
    return ImageHeader(
        format=name,
        stored_height=image.height,
        stored_width=image.width,
        bands=len(mode),
        bits=8,
        dtype="uint8",
        colours=_MODES[mode][1],
        alpha=mode.endswith("A"),
        palette=image.mode == "P",
        pages=getattr(image, "n_frames", 1),
    )


def pixels(data: bytes, header: ImageHeader) -> np.ndarray:
    """Decode the samples: (H, W) or (H, W, bands)."""
    _, image = _open(io.BytesIO(data))
    return np.asarray(image.convert(_decoded_mode(image)))
