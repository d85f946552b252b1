"""Formats of rasters that are written: GeoTIFF from its tiles, and what is made of that."""

import os
from collections.abc import Sequence
from pathlib import Path

import rasterio

from segsr_arch.errors import ConfigError
from segsr_arch.scenes.raster_spec import RasterFiles, RasterSpec

_ENDINGS = (".tif", ".tiff")


def check_destination(path: Path, spec: RasterSpec, *, sources: Sequence[str]) -> None:
    """Make sure that a raster can be written there.

    Args:
        path: Its file.
        spec: The raster.
        sources: Files that are read for it.

    Raises:
        ConfigError: If the ending means no format, the format has no such pixels, or it is one of the sources.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise ConfigError(f"{path}: a raster is written as one of {', '.join(_ENDINGS)}; choose another ending.")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it.")
    for source in sources:
        if os.path.exists(source) and os.path.exists(path) and os.path.samefile(source, path):
            raise ConfigError(f"{path} is what is read; choose another name for the result.")


def finished_files(files: RasterFiles, spec: RasterSpec) -> list[tuple[Path, Path]]:
    """Make a raster of its tiles, whole but for its name.

    Args:
        files: Its files; ``files.tiles`` is a TIFF that says nothing about its pixels yet.
        spec: The raster.

    Returns:
        Hidden files and the names that they are to get, the raster itself last.
    """
    with rasterio.open(files.tiles, "r+", driver="GTiff") as dataset:
        spec.said.apply_to(dataset)
    return [(files.tiles, files.final)]
