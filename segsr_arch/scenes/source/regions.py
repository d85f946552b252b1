"""The part of a raster that is upscaled: given in pixels, or by bounds in any coordinate reference system."""

import math
from collections.abc import Sequence

import rasterio
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds

from segsr_arch.errors import ConfigError
from segsr_arch.windows import Window

_ROUNDING = 1e-6  # of a pixel: bounds that are edges of pixels come with the rounding of their coordinates
_MERIDIAN = 180  # degrees; rasters that go from 0 to 360 lie across it
_STEPS = 21  # points on each edge of bounds whose edges are curves in the raster's system


def region_of(
    dataset: DatasetReader,
    *,
    window: Sequence[int] | None = None,
    bounds: Sequence[float] | None = None,
    bounds_crs: str | None = None,
) -> tuple[Window, tuple[str, ...]]:
    """Find the pixels that are meant.

    Args:
        dataset: The raster.
        window: COL ROW W H, in its pixels; goes before bounds.
        bounds: W S E N; every pixel that they touch is taken.
        bounds_crs: What the bounds are in; the raster's own coordinates if ``None``.

    Returns:
        The region, all of the raster if nothing is asked for; and what a user should read.

    Raises:
        ConfigError: If what is asked for is no region, or not one of this raster.
    """
    whole = Window(height=dataset.height, width=dataset.width)
    if window is not None:
        return _of_pixels(dataset, window, whole), ()
    if bounds is not None:
        return _of_bounds(dataset, tuple(float(each) for each in bounds), bounds_crs, whole)
    return whole, ()


def _of_pixels(dataset: DatasetReader, window: Sequence[int], whole: Window) -> Window:
    column, row, width, height = window
    asked = f"--window {column} {row} {width} {height}"
    size = f"{dataset.name} has {whole.width} x {whole.height} pixels"
    if min(width, height) < 1:
        raise ConfigError(f"{asked} (COL ROW W H) holds no pixel; {size}")
    if min(column, row) < 0 or column + width > whole.width or row + height > whole.height:
        raise ConfigError(f"{asked} (COL ROW W H) reaches out of the raster: {size}")
    return Window(top=row, left=column, height=height, width=width)


def _of_bounds(
    dataset: DatasetReader, bounds: tuple[float, ...], bounds_crs: str | None, whole: Window
) -> tuple[Window, tuple[str, ...]]:
    asked = f"--bounds {' '.join(f'{each:.12g}' for each in bounds)}"
    west, south, east, north = bounds
    if not all(map(math.isfinite, bounds)) or west >= east or south >= north:
        raise ConfigError(f"{asked} (W S E N): W lies below E, S below N, and all are numbers")
    transform = dataset.transform
    if transform == Affine.identity():
        raise ConfigError(f"{asked}: {dataset.name} has no transform from pixels to coordinates; give --window")
    if transform.b or transform.d:
        raise ConfigError(
            f"{asked}: {dataset.name} is rotated, so bounds are no rectangle of its pixels; give --window"
        )
    if bounds_crs is not None:
        west, south, east, north = _in_raster(dataset, bounds, bounds_crs, asked)
    # for any direction of rows and columns
    columns = sorted((edge - transform.c) / transform.a for edge in (west, east))
    rows = sorted((edge - transform.f) / transform.e for edge in (south, north))
    left, right = math.floor(columns[0] + _ROUNDING), math.ceil(columns[1] - _ROUNDING)
    top, bottom = math.floor(rows[0] + _ROUNDING), math.ceil(rows[1] - _ROUNDING)
    inner_left, inner_top = max(left, 0), max(top, 0)
    width, height = min(right, whole.width) - inner_left, min(bottom, whole.height) - inner_top
    if min(width, height) < 1:
        in_what = f" in {bounds_crs}" if bounds_crs else ""
        there = " ".join(f"{each:.12g}" for each in dataset.bounds)
        raise ConfigError(f"{asked}{in_what}: nothing of {dataset.name} lies there; its bounds are {there}")
    found = Window(top=inner_top, left=inner_left, height=height, width=width)
    if (left, top, right, bottom) != (found.left, found.top, found.right, found.bottom):
        return found, (f"{asked} reach beyond the raster; what lies in both is taken",)
    return found, ()


def _in_raster(dataset: DatasetReader, bounds: tuple[float, ...], bounds_crs: str, asked: str) -> tuple[float, ...]:
    """Bounds in the raster's coordinate reference system: the box around their edges, which may be curves there."""
    try:
        crs = CRS.from_user_input(bounds_crs)
    except CRSError as error:
        raise ConfigError(f"--bounds-crs {bounds_crs} is not known; write it like EPSG:4326") from error
    if dataset.crs is None:
        raise ConfigError(
            f"--bounds-crs {bounds_crs}: {dataset.name} has no coordinate reference system; give --bounds in its own "
            f"coordinates, or --window"
        )
    try:
        west, south, east, north = transformed_bounds(crs, dataset.crs, bounds)
    except CRSError as error:
        raise ConfigError(f"{asked} in {bounds_crs} cannot be transformed to {dataset.crs}") from error
    except ValueError as error:
        raise ConfigError(
            f"{asked}: these are no coordinates in {bounds_crs} that have a place in {dataset.crs}"
        ) from error
    if east < west and dataset.bounds.right <= _MERIDIAN:
        raise ConfigError(
            f"{asked} in {bounds_crs} lie across the 180th meridian, at which {dataset.name} ends; upscale what lies "
            f"on either side by itself"
        )
    return west, south, east + 2 * _MERIDIAN * (east < west), north


def transformed_bounds(source: CRS, target: CRS, bounds: Sequence[float]) -> tuple[float, float, float, float]:
    """Transform a box; its edges may be curves there, and the box around them is given.

    Args:
        source: Coordinate reference system of the box.
        target: That of the result.
        bounds: West, south, east and north.

    Returns:
        West, south, east and north; in degrees, east is less than west where the box lies across the 180th meridian.

    Raises:
        CRSError: If there is no way from one system to the other: a local one, or one of another planet.
        ValueError: If the box has no place there.
    """
    try:
        with rasterio.Env():  # else GDAL prints pages
            inside = transform_bounds(source, target, *bounds, densify_pts=_STEPS)
    except (RasterioError, CPLE_BaseError) as error:  # rasterio passes on some of GDAL's errors as they are
        raise CRSError(str(error)) from error
    if not all(map(math.isfinite, inside)):
        raise ValueError(f"{inside}: no place")
    west, south, east, north = map(float, inside)
    return west, south, east, north
