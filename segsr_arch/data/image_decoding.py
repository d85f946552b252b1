"""From the bytes of an image file to 8-bit RGB, with a word on everything that is not plain 8-bit RGB already."""

import io
import struct
import warnings
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from segsr_arch.data.problems import Kind

_BITS_PER_SAMPLE = 258


@dataclass(frozen=True)
class Decoded:
    """What decoding gave.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, or ``None`` if the image cannot be used.
        notes: What was found and done, as pairs of kind and sentence.
    """

    pixels: np.ndarray | None
    notes: tuple[tuple[Kind, str], ...] = ()


def _refuse(kind: Kind, sentence: str, *before: tuple[Kind, str]) -> Decoded:
    return Decoded(pixels=None, notes=(*before, (kind, f"{sentence}; left out")))


def _has_wide_samples(data: bytes, image: Image.Image) -> bool:
    """Tell whether samples have more than 8 bits. Pillow reduces some of those to 8 bits without a word."""
    if image.format == "PNG":
        return data[24] == 16
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) > 8
    return image.mode.startswith(("I", "F"))


def _opencv_reads_wide(data: bytes) -> bool:
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    return found is not None and found.dtype != np.uint8


def _stretch(data: bytes, value_range: tuple[float, float] | None) -> Decoded:
    """Bring an image of more than 8 bits to 8 bits by a stated range of values, never by a guessed one."""
    wide = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if wide is None:
        return _refuse(Kind.BROKEN, "more than 8 bits a sample, in a form that OpenCV does not read")
    found = f"{wide.dtype} samples from {np.nanmin(wide):g} to {np.nanmax(wide):g}"
    if value_range is None:
        return _refuse(Kind.DEPTH, f"{found}; say with --range LO HI which values are black and white")
    if not np.isfinite(wide).all():
        return _refuse(Kind.DEPTH, f"{found}, not all of them finite")
    if wide.ndim == 3 and wide.shape[2] != 3:
        return _refuse(Kind.BANDS, f"{wide.shape[2]} bands of {wide.dtype}; three or one can be used")
    low, high = value_range
    scaled = (wide.astype(np.float64) - low) * (255.0 / (high - low))
    pixels = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    notes = [(Kind.DEPTH, f"{found}; {low:g}..{high:g} became 0..255")]
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        notes.append((Kind.GRAYSCALE, "one band; repeated three times"))
    else:
        pixels = np.ascontiguousarray(pixels[:, :, ::-1])
    return Decoded(pixels=pixels, notes=tuple(notes))


def _to_rgb(image: Image.Image) -> Decoded:
    """Bring a decoded 8-bit image to three channels."""
    notes: list[tuple[Kind, str]] = []
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
        notes.append((Kind.PALETTE, "palette image; its colours were looked up"))
    elif "transparency" in image.info and image.mode in ("1", "L", "RGB"):
        image = image.convert("RGBA" if image.mode == "RGB" else "LA")
    if image.mode in ("RGBA", "LA"):
        lowest = image.getchannel("A").getextrema()[0]
        if lowest < 255:
            return _refuse(Kind.ALPHA, "has transparent pixels, of which nothing is known", *notes)
        image = image.convert(image.mode[:-1])
        notes.append((Kind.ALPHA, "alpha channel, opaque everywhere; dropped"))
    if image.mode in ("1", "L"):
        image = image.convert("L").convert("RGB")
        notes.append((Kind.GRAYSCALE, "one band; repeated three times"))
    if image.mode != "RGB":
        return _refuse(Kind.BANDS, f"colour mode {image.mode} is neither RGB nor grayscale", *notes)
    return Decoded(pixels=np.asarray(image), notes=tuple(notes))


def decode_image(data: bytes, *, value_range: tuple[float, float] | None = None) -> Decoded:
    """Decode one image file completely.

    Args:
        data: The file's bytes: TIFF, PNG, JPEG or WebP.
        value_range: The values that become 0 and 255 in images of more than 8 bits a sample. ``None`` leaves such
            images out, since no range can be told from one image.

    Returns:
        RGB pixels, or none and the reason. Grayscale is repeated, palettes are looked up, an opaque alpha channel is
        dropped, only the first page of several is used; transparency and other colour modes leave the image out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Pillow grumbles about either decodes or raises as well
            with Image.open(io.BytesIO(data)) as image:
                wide = _has_wide_samples(data, image)
                pages = getattr(image, "n_frames", 1)
                image.load()
                decoded = _stretch(data, value_range) if wide else _to_rgb(image)
    except UnidentifiedImageError:
        # Pillow does not know every combination of bands and wide samples that TIFF allows.
        return _stretch(data, value_range) if _opencv_reads_wide(data) else _refuse(Kind.BROKEN, "not an image")
    except (OSError, SyntaxError, ValueError, IndexError, EOFError, struct.error, cv2.error) as error:
        # These are what Pillow's readers raise on bytes that are not what they claim to be.
        return _refuse(Kind.BROKEN, f"does not decode ({str(error) or type(error).__name__})")
    if pages > 1 and decoded.pixels is not None:
        notes = (*decoded.notes, (Kind.PAGES, f"{pages} pages; the first one is used"))
        return Decoded(pixels=decoded.pixels, notes=notes)
    return decoded
