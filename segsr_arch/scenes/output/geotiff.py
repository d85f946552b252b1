"""What GDAL adds to a GeoTIFF of which only the pixels are there: what they mean, and overviews.

GDAL tells nobody when it cannot write a directory, for instance because the disk is full: what it has written is looked
at afterwards.
"""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetWriter

from segsr_arch.scenes.output.metadata import SceneMetadata
from segsr_arch.scenes.output.tiff_directory import TILE_LENGTHS, TILE_OFFSETS, read_directories, tag_values
from segsr_arch.scenes.source.rasters import CACHE_BYTES


@contextlib.contextmanager
def gdal_writes(path: Path, *, cache: int = CACHE_BYTES) -> Iterator[None]:
    """Have GDAL keep to some memory, and its errors be those of the operating system.

    Args:
        path: What is written.
        cache: Bytes that it may keep of what it has read.

    Raises:
        OSError: If GDAL fails.
    """
    with rasterio.Env(GDAL_CACHEMAX=cache), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            yield
        except RasterioError as error:
            raise OSError(f"{path}: {error.__cause__ or error}") from error


def describe_pixels(path: Path, said: SceneMetadata) -> None:
    """Write into a GeoTIFF what its pixels mean.

    Args:
        path: The file; changed. What GeoTIFF has no place for GDAL writes beside it.
        said: What is to be written.

    Raises:
        OSError: If it cannot be written.
    """
    with _changed(path) as dataset:
        said.apply_to(dataset)


def add_overviews(path: Path, said: SceneMetadata, *, block: int, factors: list[int]) -> None:
    """Add smaller versions of a GeoTIFF and its mask: means, and pixels where a mean could be one of nodata values.

    Args:
        path: The file; changed.
        said: What it says about its pixels.
        block: Rows and columns of their tiles.
        factors: How many times smaller they are.

    Raises:
        OSError: If they cannot be written.
    """
    how = Resampling.nearest if said.nodata_differs else Resampling.average
    with rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=block), _changed(path) as dataset:
        dataset.build_overviews(factors, how)


@contextlib.contextmanager
def _changed(path: Path) -> Iterator[DatasetWriter]:
    """Open a GeoTIFF to be changed, and see that everything that its directories name is on the disk."""
    with gdal_writes(path), rasterio.open(path, "r+", driver="GTiff") as dataset:
        yield dataset
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
        size = os.fstat(file.fileno()).st_size
        for image in read_directories(file):
            offsets, lengths = tag_values(image, TILE_OFFSETS), tag_values(image, TILE_LENGTHS)
            if not lengths.all() or int((offsets + lengths).max()) > size:
                raise OSError(f"{path}: not all tiles could be written")
