"""A drawn scene as a georeferenced raster, and what it was made of: to try the way of a practitioner's file."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from segsr_arch.degradations.bicubic import make_lr, mod_crop
from segsr_arch.drawing.scenes import draw_scene
from segsr_arch.files.atomic import atomic_write

_CRS = CRS.from_epsg(32633)
_CORNER = (391_000.0, 5_820_000.0)
_PIXEL = 2.0  # metres, of the LR raster
_MARGIN = 0.06  # of the scene, where a raster that was turned to the north has no data


def write_drawn_raster(folder: str | Path, *, kind: str, size: int, scale: int, seed: int) -> tuple[Path, Path]:
    """Draw a scene as two GeoTIFFs of one place: reduced, and as it was drawn.

    Args:
        folder: Where; it is made if needed.
        kind: One of :data:`~segsr_arch.drawing.scenes.SCENE_KINDS`.
        size: Side of the LR raster in pixels.
        scale: How many times finer the HR raster is.
        seed: Seed of the scene.

    Returns:
        Paths of the LR and the HR raster: uint8, red, green, blue, and a near-infrared band that no network here was
        trained on; no-data 0 in a wedge at the left edge.

    Raises:
        DataError: If there is no such kind, or the size is too small.
        SaveError: If a file cannot be written.
    """
    hr = mod_crop(draw_scene(seed, kind, size * scale), scale)
    bands = {"lr": make_lr(hr, scale), "hr": hr}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    low, high = (
        _write(folder / f"{kind}_{name}.tif", image, pixel=_PIXEL if name == "lr" else _PIXEL / scale)
        for name, image in bands.items()
    )
    return low, high


def raster_psnr(path: Path, truth: Path, *, bands: Sequence[int]) -> float:
    """PSNR in dB of 8-bit rasters of one size, over pixels that are valid in both.

    Args:
        path: A raster.
        truth: What it should be.
        bands: The bands that are compared, from 1.
    """
    with rasterio.open(path) as first, rasterio.open(truth) as second:
        valid = (first.dataset_mask() > 0) & (second.dataset_mask() > 0)
        difference = first.read(bands).astype(np.float64) - second.read(bands)
    return float(10 * np.log10(255**2 / np.mean(difference[:, valid] ** 2)))


def _write(path: Path, image: np.ndarray, *, pixel: float) -> Path:
    height, width = image.shape[:2]
    infrared = (255 - image[..., 2].astype(np.int16) // 2 - image[..., 0] // 4).clip(1, 255).astype(np.uint8)
    values = np.maximum(np.concatenate([image, infrared[..., None]], axis=2), 1)
    rows = (np.arange(height) + 0.5) / height
    wedge = np.arange(width)[None, :] + 0.5 < (1 - rows[:, None]) * _MARGIN * width
    values[wedge] = 0
    with (
        MemoryFile() as memory,
        memory.open(
            driver="GTiff",
            height=height,
            width=width,
            count=4,
            dtype="uint8",
            crs=_CRS,
            transform=Affine(pixel, 0, _CORNER[0], 0, -pixel, _CORNER[1]),
            nodata=0,
            compress="deflate",
            tiled=height >= 256,
        ) as dataset,
    ):
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined)
        for number, name in enumerate(("red", "green", "blue", "near infrared"), 1):
            dataset.set_band_description(number, name)
        dataset.write(np.ascontiguousarray(values.transpose(2, 0, 1)))
        dataset.close()
        content = io.BytesIO(memory.read())
    with atomic_write(path) as file:
        file.write(content.getbuffer())
    return path
