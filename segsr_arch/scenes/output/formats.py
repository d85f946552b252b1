"""Formats of rasters that are written: GeoTIFF from its tiles, and what is made of that."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import rasterio.shutil

from segsr_arch.errors import ConfigError
from segsr_arch.files.atomic import LONGEST_NAME
from segsr_arch.scenes.output.alpha_of_mask import with_alpha
from segsr_arch.scenes.output.aside import aside_of, write_aside
from segsr_arch.scenes.output.cog import overview_factors, write_cog
from segsr_arch.scenes.output.geotiff import add_overviews, describe_pixels, gdal_writes
from segsr_arch.scenes.output.raster_spec import ASIDE, RasterFiles, RasterSpec
from segsr_arch.scenes.output.read_back import check_description
from segsr_arch.scenes.source.rasters import CACHE_BYTES, open_raster
from segsr_arch.scenes.source.source_state import files_of

_GEOTIFF = (".tif", ".tiff")
_IMAGES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
_OPTIONS: dict[str, dict[str, str]] = {"PNG": {}, "JPEG": {"QUALITY": "95"}}
_LONGEST_JPEG = 65500
_BYTES = range(256)


def ending_problem(path: Path) -> str | None:
    """Tell what is wrong with the ending of a destination, for a message; ``None`` if it means a format."""
    if path.suffix.lower() in (*_GEOTIFF, *_IMAGES):
        return None
    return f"{path}: a raster is written as one of {', '.join((*_GEOTIFF, *_IMAGES))}; choose another ending"


def check_destination(path: Path, spec: RasterSpec, *, sources: Sequence[str]) -> None:
    """Make sure that a raster can be written there.

    Args:
        path: Its file.
        spec: The raster.
        sources: What GDAL reads for it.

    Raises:
        ConfigError: If the ending means no format, the format has no such pixels, the name is too long, or it is one of
            the files of the sources.
        DataError: If a source cannot be read.
    """
    if problem := ending_problem(path):
        raise ConfigError(f"{problem}.")
    ending = path.suffix.lower()
    if problem := _image_problem(_IMAGES.get(ending), spec):
        raise ConfigError(f"{path}: {problem}; choose the ending .tif.")
    if (excess := len(os.fsencode(f"{path.name}{ASIDE}")) - LONGEST_NAME) > 0:
        raise ConfigError(
            f"{path}: the name is too long for the files that lie beside it, by {excess} bytes; choose a shorter one."
        )
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it.")
    if any(consists_of(source, path) for source in sources):
        raise ConfigError(f"{path} is what is read; choose another name for the result.")


def consists_of(source: str, path: Path) -> bool:
    """Whether a raster is a file, is put together of it, as virtual ones are, or lies in it.

    Raises:
        DataError: If the raster cannot be read.
    """
    if not os.path.exists(path):
        return False
    with open_raster(source) as dataset:
        return any(os.path.samefile(file, path) for file in files_of(source, dataset))


def format_note(path: Path, *, source: str) -> str | None:
    """What a user should know about the format of a destination; ``None`` if there is nothing.

    Args:
        path: The destination.
        source: What is read; who has JPEG already knows.
    """
    if _IMAGES.get(path.suffix.lower()) == "JPEG" != _IMAGES.get(Path(source).suffix.lower()):
        return f"{path.name}: JPEG changes values; a file that ends in .tif or .png keeps them."
    return None


def _image_problem(driver: str | None, spec: RasterSpec) -> str | None:
    """Why pixels do not fit into a format for images; ``None`` if they do."""
    if driver is None:
        return None
    if driver == "JPEG":
        if spec.dtype != "uint8" or spec.count not in (1, 3):
            return f"JPEG holds 1 or 3 bands of uint8, not {spec.count} of {spec.dtype}"
        if max(spec.height, spec.width) > _LONGEST_JPEG:
            return f"JPEG holds at most {_LONGEST_JPEG} rows and columns, not {spec.height} x {spec.width}"
        if any(value is not None and value in _BYTES for value in spec.said.nodata):
            return "JPEG changes values, so that valid pixels would become no-data ones"
        return None
    if spec.dtype not in ("uint8", "uint16") or spec.count > 4:
        return f"PNG holds 1 to 4 bands of uint8 or uint16, not {spec.count} of {spec.dtype}"
    if spec.count in (2, 4) and spec.said.alpha != spec.count - 1:
        return f"in PNG the last of {spec.count} bands is alpha, and here it is none"
    if spec.said.alpha is not None and spec.said.premultiplied:
        return "in PNG alpha is not multiplied into the colours, and here it is"
    return "PNG has no place for a mask besides alpha" if spec.mask is not None and spec.count in (2, 4) else None


def finished_files(files: RasterFiles, spec: RasterSpec) -> list[tuple[Path, Path]]:
    """Make a raster of its tiles, whole but for its name.

    Args:
        files: Its files; ``files.tiles`` is a TIFF that says nothing about its pixels yet.
        spec: The raster.

    Returns:
        Hidden files and the names that they are to get, the raster itself last.

    Raises:
        OSError: If it cannot be written.
    """
    aside_of(files.tiles).unlink(missing_ok=True)  # of an attempt before
    describe_pixels(files.tiles, spec.said)
    whole = described = files.tiles
    driver = _IMAGES.get(files.final.suffix.lower())
    if driver is not None:
        whole = described = files.whole
        _write_image(files, spec, driver)
    elif spec.cog:
        whole = files.whole
        factors = overview_factors(spec.height, spec.width, block=spec.block)
        if factors:
            add_overviews(files.tiles, spec.said, block=spec.block, factors=factors)
        write_cog(files.tiles, whole)
    named = [(whole, files.final)]
    if aside := write_aside(whole, spec.said, like=described):
        named.insert(0, (aside, aside_of(files.final)))
    check_description(whole, spec.said)
    return named


def _write_image(files: RasterFiles, spec: RasterSpec, driver: str) -> None:
    # It is written row by row: a row of tiles has to be kept.
    row = spec.block * spec.width * spec.count * 2
    with gdal_writes(files.whole, cache=max(CACHE_BYTES, 2 * row)):
        masked = with_alpha(files.tiles, count=spec.count, dtype=spec.dtype)
        with masked if driver == "PNG" and spec.mask is not None else nullcontext(files.tiles) as described:
            rasterio.shutil.copy(described, files.whole, driver=driver, **_OPTIONS[driver])
        with rasterio.open(files.whole) as dataset:
            dataset.read(1, window=((spec.height - 1, spec.height), (0, spec.width)))  # its end is there
    with open(files.whole, "r+b") as file:
        os.fsync(file.fileno())
