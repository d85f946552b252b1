"""Of what files a raster consists, and in which state they and what they say are: what tells it from an older one."""

import hashlib
import os
import re
from collections.abc import Iterator
from typing import Any

from rasterio.io import DatasetReader

from segsr_arch.scenes.many.source_names import is_local
from segsr_arch.scenes.output.metadata import SceneMetadata
from segsr_arch.scenes.output.raster_spec import ASIDE
from segsr_arch.scenes.source.rasters import open_raster

_OF_GDAL = re.compile(r"/vsi\w+/")
# What is read of them is in the metadata, and the rest is what programs find out of pixels that they show.
_NO_PIXELS = (ASIDE, ".ovr")


def files_of(path: str, dataset: DatasetReader) -> list[str]:
    """Files of this machine in which a raster lies: itself, parts of it, what lies beside it, or an archive.

    Args:
        path: The raster, as GDAL opens it.
        dataset: The same, opened.

    Returns:
        Their paths, sorted; nothing for what lies elsewhere.

    Raises:
        DataError: If a virtual raster, of which it is put together, cannot be read.
    """
    found: dict[str, None] = {}
    _add_files(path, dataset, found)
    return sorted(found)


def _add_files(path: str, dataset: DatasetReader, found: dict[str, None]) -> None:
    for name in (path, *dataset.files):
        file = next(_files_behind(name), None)
        if file is None or file in found:
            continue
        found[file] = None
        if file.lower().endswith(".vrt") and name != path:
            with open_raster(file) as part:
                _add_files(file, part, found)


def _files_behind(name: str) -> Iterator[str]:
    """The file that a name of GDAL means, or in which it lies, if it is one of this machine."""
    if os.path.isfile(name):
        yield os.path.abspath(name)
    elif prefix := _OF_GDAL.match(name):
        inner = re.sub("[{}]", "", name[prefix.end() :])  # which may be put around archives
        yield from _files_behind(inner)
        while (above := os.path.dirname(inner)) != inner:
            inner = above
            if os.path.isfile(inner):
                yield os.path.abspath(inner)
    elif not is_local(name):
        for part in re.findall(r'"([^"]+)"', name) or name.split(":"):  # NETCDF:"file":variable
            yield from _files_behind(part)


def state_of(path: str, dataset: DatasetReader, metadata: SceneMetadata) -> dict[str, Any]:
    """What tells a raster from an older state of the same one, for JSON.

    Args:
        path: The raster, as GDAL opens it.
        dataset: The same, opened.
        metadata: What it says about its pixels.

    Raises:
        DataError: If a virtual raster, of which it is put together, cannot be read.
    """
    main = os.path.abspath(path) if is_local(path) else path
    status = os.stat(path) if os.path.isfile(path) else None
    parts = [file for file in files_of(path, dataset) if file != main and not file.endswith(_NO_PIXELS)]
    stated = [(file, os.stat(file)) for file in parts]
    of_parts = [(file, each.st_size, each.st_mtime_ns) for file, each in stated]
    return {
        "path": main,
        "size": None if status is None else status.st_size,
        "mtime_ns": None if status is None else status.st_mtime_ns,
        "parts": f"{len(parts)} files, {_digest(of_parts)}" if parts else None,
        "transform": None if metadata.transform is None else list(metadata.transform[:6]),
        "crs": None if metadata.crs is None else metadata.crs.to_string(),
        "metadata": _digest(_rest_of(metadata)),
    }


def _rest_of(metadata: SceneMetadata) -> tuple[Any, ...]:
    points = [(point.row, point.col, point.x, point.y, point.z) for point in metadata.gcps]
    points_crs = None if metadata.gcps_crs is None else metadata.gcps_crs.to_wkt()
    rpcs = None if metadata.rpcs is None else metadata.rpcs.to_dict()
    return points, points_crs, rpcs, metadata.tags, metadata.bands, metadata.has_mask, metadata.single_masks


def _digest(content: object) -> str:
    return hashlib.sha256(repr(content).encode(errors="surrogateescape")).hexdigest()[:16]
