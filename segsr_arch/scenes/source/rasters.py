"""How rasters are opened: anything that GDAL reads, with its warnings and errors in words of this package."""

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from segsr_arch.errors import DataError, first_line
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.reading import read_header
from segsr_arch.replacing import replaced
from segsr_arch.scenes.many.source_names import is_local, missing
from segsr_arch.windows import Window

_WHOLE_FILES = frozenset(("GTiff", "JPEG", "PNG", "WEBP", "BMP", "GIF"))
"""GDAL's drivers of one file a raster that says of itself how it is turned and whether it is whole."""
_MOST_LISTED = 20
CACHE_BYTES = 24_000_000
"""Memory for blocks that GDAL has decoded; left alone, it takes a twentieth of the machine's."""
_opening = threading.Lock()  # the filters of warnings belong to the process
_DRIVERS = {
    "GTiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "JP2OpenJPEG": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "WEBP": (b"RIFF",),
    "BMP": (b"BM",),
    "GIF": (b"GIF8",),
}
"""GDAL's drivers of rasters that are one file and name no other, and how such files begin."""
_whole_files_alone = False


@contextmanager
def whole_files_alone() -> Iterator[None]:
    """Refuse, in all threads as long as the context lasts, rasters that are not one file that stands for itself.

    For files of strangers: a VRT or the description of a service would have GDAL read what else lies on this machine,
    or ask others for it.
    """
    with replaced(sys.modules[__name__], "_whole_files_alone", True):
        yield


def _forced_driver(path: str) -> str | None:
    """The driver that is to open a raster; ``None`` for whichever GDAL finds.

    Raises:
        DataError: If it is no file that stands for itself, and only those are wanted.
    """
    if not _whole_files_alone:
        return None
    with open(path, "rb") as file:
        beginning = file.read(12)
    for driver, signatures in _DRIVERS.items():
        if beginning.startswith(signatures):
            return driver
    raise DataError(
        f"{path}: begins as no GeoTIFF, PNG, JPEG, JPEG 2000, WebP, BMP or GIF does, and nothing else is taken here; "
        f"segsr upscale on the command line reads whatever GDAL does"
    )


def open_raster(path: str) -> DatasetReader:
    """Open a raster for reading. Datasets are not to be shared between threads.

    Args:
        path: Anything that GDAL opens.

    Returns:
        The dataset. That it has no georeference is no warning here: it is a note of the scene.

    Raises:
        DataError: If there is none, or GDAL cannot read it.
    """
    if is_local(path) and not os.path.exists(path):
        raise DataError(missing(path))
    with _opening, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            return rasterio.open(path, driver=_forced_driver(path))
        except (RasterioError, OSError) as error:
            raise DataError(f"{path}: GDAL opens no raster there ({_gdal_words(error)})") from error


def bounded_cache() -> rasterio.Env:
    """Bound the memory that GDAL takes for decoded blocks, in all threads, as long as the context lasts."""
    return rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES)


@contextmanager
def reading(path: str, window: Window) -> Iterator[None]:
    """Turn what GDAL says of pixels that it cannot read into an error that names file and place.

    Args:
        path: The raster.
        window: What is read, in its pixels.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        yield
    except RasterioError as error:
        raise DataError(
            f"{path}: {place_words(window)} cannot be read; the file is damaged or cut short ({_gdal_words(error)})"
        ) from error


def place_words(window: Window) -> str:
    """Where a window is, for people: ``rows 0 to 63 of columns 64 to 127``."""
    return f"rows {window.top} to {window.bottom - 1} of columns {window.left} to {window.right - 1}"


def _gdal_words(error: BaseException) -> str:
    """The line that says why; rasterio's own is often a reference to the error behind it."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = getattr(error, "errmsg", None)
    return str(message) if message else first_line(error).removeprefix(f"{type(error).__name__}: ")


def check_whole(path: str, dataset: DatasetReader) -> None:
    """Refuse at once what would fail, or come out wrong, after hours.

    Args:
        path: The raster.
        dataset: The same, opened.

    Raises:
        DataError: If it is a container of rasters, is cut short, or people see it turned.
    """
    if dataset.count == 0:
        inner = dataset.subdatasets
        if not inner:
            raise DataError(f"{path} has no bands")
        listed = "\n".join(f"  {name}" for name in inner[:_MOST_LISTED])
        more = f"\n  and {len(inner) - _MOST_LISTED} more" if len(inner) > _MOST_LISTED else ""
        raise DataError(f"{path} holds {len(inner)} rasters; name one of them:\n{listed}{more}")
    if dataset.driver not in _WHOLE_FILES or not os.path.isfile(path):
        return
    try:
        orientation = read_header(path).orientation
    except ImageReadError as error:
        raise DataError(str(error)) from error
    if orientation != 1:
        raise DataError(
            f"{path} is stored turned or mirrored (EXIF orientation {orientation}), and GDAL reads it as it is stored; "
            f"write it upright first, with ImageOps.exif_transpose of Pillow for instance"
        )
