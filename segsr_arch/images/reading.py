"""Headers and pixels of image files, whatever their format."""

import io
import os
from functools import lru_cache
from typing import BinaryIO

import numpy as np

from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.formats import LONGEST_SIGNATURE, reader_of
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.limits import check_memory


def read_header(source: str | os.PathLike | bytes) -> ImageHeader:
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
        raise ImageReadError(f"{path} does not decode: {error}.") from error
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
    except ImageReadError:
        raise
    except MemoryError as error:
        raise ImageReadError(f"{header.width} x {header.height} pixels do not fit into the memory at hand") from error
    except Exception as error:  # decoders raise whatever damaged bytes lead them to
        raise ImageReadError(f"it is damaged ({_first_line(error)})") from error
    stored = stored.reshape(*stored.shape[:2], -1)
    expected = (header.stored_height, header.stored_width, header.bands)
    if stored.shape != expected or stored.dtype != np.dtype(header.dtype):
        raise ImageReadError(f"its header promises {expected} {header.dtype}, its data {stored.shape} {stored.dtype}")
    return turn(stored, header.orientation), header


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


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
