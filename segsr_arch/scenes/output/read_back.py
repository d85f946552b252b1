"""Whether a raster that was written lies where it was meant to lie.

GDAL tells nobody when it could not write something, nor where it has put it: what others will read is looked at.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

from segsr_arch.scenes.output.geotiff import gdal_writes
from segsr_arch.scenes.output.metadata import SceneMetadata, read_metadata
from segsr_arch.windows import Window

_PIXELS = 1e-3  # GDAL writes four places of them in text
_IDENTITY = Affine.identity()
_SHARE = 1e-9  # of coordinates


def check_description(path: Path, said: SceneMetadata) -> None:
    """Read a raster, and what lies beside it, as GDAL does.

    Args:
        path: The raster, under whatever name.
        said: What it is to say about its pixels.

    Raises:
        OSError: If it has no coordinate reference system or polynomials where it should have, or a transform or ground
            control points that are others.
    """
    with gdal_writes(path), rasterio.open(path) as dataset:
        whole = Window(height=dataset.height, width=dataset.width)
        found = read_metadata(dataset, region=whole, bands=dataset.indexes)
        corners = [(0, 0), (whole.width, 0), (0, whole.height)]
    missing = [name for name in ("crs", "gcps_crs", "rpcs") if getattr(said, name) and not getattr(found, name)]
    if said.transform is not None:
        # A raster without a transform is read as if it had the identity.
        meant, read = ([each @ corner for corner in corners] for each in (said.transform, found.transform or _IDENTITY))
        if not np.allclose(meant, read, rtol=_SHARE, atol=_PIXELS * _pixel(said.transform)):
            missing.append("transform")
    if len(said.gcps) != len(found.gcps) or not _same_points(said.gcps, found.gcps):
        missing.append("gcps")
    if missing:
        raise OSError(f"{path}: {', '.join(missing)} could not be written")


def _pixel(transform: Affine) -> float:
    """The length of a pixel's longer side."""
    return float(max(np.hypot(transform.a, transform.d), np.hypot(transform.b, transform.e)))


def _same_points(said: Sequence[GroundControlPoint], found: Sequence[GroundControlPoint]) -> bool:
    tolerances = {("row", "col"): _PIXELS, ("x", "y", "z"): _SHARE}
    return all(
        np.allclose(_numbers(said, names), _numbers(found, names), rtol=_SHARE, atol=tolerance)
        for names, tolerance in tolerances.items()
    )


def _numbers(points: Sequence[GroundControlPoint], names: Sequence[str]) -> list[list[float]]:
    return [[getattr(point, name) or 0.0 for name in names] for point in points]
