"""Names of sources: which are files here and which only GDAL knows, and what a file made of one is called."""

import os
import re
from pathlib import PurePosixPath

from segsr_arch.errors import ConfigError
from segsr_arch.images.formats import IMAGE_SUFFIXES, READ_SUFFIXES
from segsr_arch.known_names import nearest

RASTER_SUFFIXES = (*IMAGE_SUFFIXES, ".jp2", ".j2k", ".img", ".nc", ".ntf", ".nitf")
"""Endings by which the scenes of a folder are known. A ``.vrt`` is not one: it lies beside what it is made of."""

_IMAGE_SUFFIXES = tuple(READ_SUFFIXES - {".tif", ".tiff"})

_OF_GDAL = re.compile(r"/vsi|[A-Za-z][\w+.-]+:")  # two letters at least: a single one is a drive of Windows


def is_local(src: str, *, folder: str | os.PathLike[str] = "") -> bool:
    """Whether a source is the path of a file, or would be if it existed: no URL, ``/vsi...``, ``NETCDF:...``.

    Args:
        src: The source.
        folder: From where a relative path is looked for.
    """
    return _OF_GDAL.match(src) is None or os.path.exists(os.path.join(folder, src))


def missing(path: str) -> str:
    """Say that a file does not exist, and which of its folder was perhaps meant."""
    folder = os.path.dirname(path) or os.curdir
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    return f"{path} does not exist{nearest(os.path.basename(path), names)}"


def is_raster(name: str) -> bool:
    """Whether a file of a folder counts as a scene, by its name: no hidden one, and an ending that rasters have."""
    return not name.startswith(".") and name.lower().endswith(RASTER_SUFFIXES)


def suffix_like(src: str) -> str:
    """The ending of what an image becomes, without loss: PNG of images for the screen, else GeoTIFF."""
    return ".png" if src.lower().endswith(_IMAGE_SUFFIXES) else ".tif"


def output_name(src: str, suffix: str) -> str:
    """Name a scene's file: the last part of the source's name with another ending.

    Args:
        src: The source.
        suffix: The ending, with its point.

    Raises:
        ConfigError: If what only GDAL knows has no such part.
    """
    if is_local(src):
        return PurePosixPath(os.path.basename(src)).with_suffix(suffix).name
    path = src.partition("?")[0] if "://" in src or src.startswith("/vsi") else src
    last = path.rstrip("/").rpartition("/")[2]
    stem, ending = os.path.splitext(last)
    kept = re.sub(r"[^\w.-]+", "_", stem if ending.lower() in RASTER_SUFFIXES else last).strip("._")
    if not kept:
        raise ConfigError(f"{src}: no name for a file can be made of it; give the destination as a file.")
    return f"{kept}{suffix}"
