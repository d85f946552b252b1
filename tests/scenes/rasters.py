"""Small rasters made on the spot."""

import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning

from tests.support import SHARED_DATA

PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)
"""Transform of rasters that are told no other: pixels of 10 m in UTM zone 33."""


def write_raster(path, values, *, colours=None, mask=None, scales=None, offsets=None, tags=None, **profile):
    """Write (C, H, W) as a raster, a GeoTIFF unless ``driver`` says otherwise; returns its path as text.

    Args:
        path: Where to.
        values: Array, or (H, W) for one band.
        colours: Colour interpretation of each band.
        mask: (H, W) bool, written as a mask of all bands inside of the file.
        scales: Of each band.
        offsets: Of each band.
        tags: Of the raster.
        **profile: What rasterio takes besides: ``nodata``, ``tiled``, ``crs`` and ``transform`` (``None`` for none) ...
    """
    values = np.asarray(values)
    if values.ndim == 2:
        values = values[None]
    count, height, width = values.shape
    profile = {"driver": "GTiff", "crs": "EPSG:32633", "transform": PLACE, **profile}
    profile |= {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", **profile) as dataset:
            if colours is not None:
                dataset.colorinterp = colours
            if scales is not None:
                dataset.scales = scales
            if offsets is not None:
                dataset.offsets = offsets
            if tags is not None:
                dataset.update_tags(**tags)
            dataset.write(values)
            if mask is not None:
                dataset.write_mask(mask)
    return str(path)


def shared_raster(name):
    """Path of one of the rasters of others; the test is skipped where they are not."""
    path = SHARED_DATA / "geotiff" / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return str(path)
