"""Headers and pixels of image files, whatever their format."""

import io
import os
from functools import lru_cache
from typing import BinaryIO

import cv2
import numpy as np

from segsr_arch.images.conversion import AS_STORED, Conversion, Note, convert
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.formats import LONGEST_SIGNATURE, reader_of
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.limits import check_memory
from segsr_arch.images.saying import say_once

RULES = 1
"""Number of the rules that this package states; raised when they give other pixels of some file."""


def read_header(source: str | os.PathLike[str] | bytes) -> ImageHeader:
    """Read what an image file says of itself, without decoding it.

    Headers of files are kept: asked again, a file that has the same size and time costs one ``stat``.

    Args:
        source: Path of the file, or its whole content (an entry of an LMDB).

    Returns:
        Size as people see the image, bands, depth and so on.

    Raises:
        ImageReadError: If it is no image, cut short, or claims more pixels than its bytes can hold. The sentence names
            the path, if there is one.
    """
    if isinstance(source, bytes):
        return _read(io.BytesIO(source), len(source))
    path = os.fspath(source)
    try:
        status = os.stat(path)
        return _cached_header(path, status.st_size, status.st_mtime_ns)
    except ImageReadError as error:
        raise error.of(path) from error
    except OSError as error:
        raise ImageReadError(f"{path} cannot be read ({error.strerror or error}).") from error


@lru_cache(maxsize=1 << 17)
def _cached_header(path: str, size: int, _time: int) -> ImageHeader:
    with open(path, "rb") as stream:
        return _read(stream, size)


def _read(stream: BinaryIO, size: int) -> ImageHeader:
    module = reader_of(stream.read(LONGEST_SIGNATURE))
    stream.seek(0)
    try:
        return module.read(stream, size)
    except ImageReadError:
        raise
    except (Exception, MemoryError) as error:  # parsers raise whatever damaged bytes lead them to
        raise ImageReadError(f"its header is damaged ({_first_line(error)})") from error


def decode(data: bytes) -> tuple[np.ndarray, ImageHeader]:
    """Decode an image completely, as it is stored but for its orientation.

    Args:
        data: The file's content.

    Returns:
        (H, W, bands), red before green before blue, turned as people see it, of the header's type; and the header.

    Raises:
        ImageReadError: If it is no image, damaged, cut short, or too large for the memory at hand.
    """
    header = _read(io.BytesIO(data), len(data))
    check_memory(header)
    try:
        stored = reader_of(data[:LONGEST_SIGNATURE]).pixels(data, header)
        stored = stored.reshape(*stored.shape[:2], -1)
    except ImageReadError:
        raise
    except MemoryError as error:
        raise _too_large(header) from error
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        raise ImageReadError(f"it is damaged ({_first_line(error)})") from error
    expected = (header.stored_height, header.stored_width, header.bands)
    if stored.shape != expected or stored.dtype != np.dtype(header.dtype):
        raise ImageReadError(f"its header promises {expected} {header.dtype}, its data {stored.shape} {stored.dtype}")
    return turn(stored, header.orientation), header


def read_rgb(data: bytes, conversion: Conversion = AS_STORED, *, deep: bool = False) -> tuple[np.ndarray, list[Note]]:
    """Read an image as three bands, as everything here takes them.

    Args:
        data: The file's content.
        conversion: What was asked for where it is not RGB, or not of 8 bits.
        deep: Whether 16 bits can be used as they are.

    Returns:
        (H, W, 3) RGB, ``uint8`` or, if deep, ``uint16``; and what was done to it.

    Raises:
        ImageReadError: If it does not decode, or would lose what nobody has asked to lose.
    """
    image, header = decode(data)
    try:
        return convert(image, header, conversion, deep=deep)
    except MemoryError as error:
        raise _too_large(header) from error


def read_bgr(
    data: bytes, source: str, conversion: Conversion = AS_STORED, *, folder: str | None = None, deep: bool = False
) -> np.ndarray:
    """Read an image as :func:`read_rgb` does, and say what was done to it, once for its folder.

    Args:
        data: The file's content.
        source: Its path, or whatever names it.
        conversion: What was asked for where it is not RGB, or not of 8 bits.
        folder: Its folder or LMDB; ``None`` takes that of ``source``.
        deep: Whether 16 bits can be used as they are.

    Returns:
        (H, W, 3) BGR, as OpenCV and BasicSR have it.

    Raises:
        ImageReadError: As :func:`read_rgb`; the sentence names ``source``.
    """
    try:
        image, notes = read_rgb(data, conversion, deep=deep)
    except ImageReadError as error:
        raise error.of(source) from error
    say_once(notes, source, folder)
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR))


def read_unchanged(data: bytes, source: str) -> np.ndarray:
    """Read an image with all of its bands and bits, turned as people see it.

    Args:
        data: The file's content.
        source: Its path, or whatever names it.

    Returns:
        (H, W) of one band, else (H, W, bands), blue before red as OpenCV has it.

    Raises:
        ImageReadError: If it does not decode; the sentence names ``source``.
    """
    try:
        image, header = decode(data)
    except ImageReadError as error:
        raise error.of(source) from error
    if header.bands == 1:
        return np.ascontiguousarray(image[..., 0])
    if header.colours == "grey":  # with alpha, for which OpenCV has no image of two bands
        image = image[..., [0, 0, 0, 1]]
    elif header.colours == "RGB":
        image = image[..., [2, 1, 0, *range(3, header.bands)]]
    return np.ascontiguousarray(image)


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Turn and mirror an image as EXIF says, so that it stands as people see it.

    Args:
        image: (H, W, ...) as stored.
        orientation: EXIF's number, 1 to 8.

    Returns:
        A view of it.
    """
    if orientation >= 5:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return image


def _too_large(header: ImageHeader) -> ImageReadError:
    return ImageReadError(f"{header.width} x {header.height} pixels do not fit into the memory at hand")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
