"""Pixels of a scene, read window by window, with what is valid among them."""

from collections.abc import Sequence
from types import TracebackType

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from segsr_arch.scenes.source.rasters import open_raster, place_words, reading
from segsr_arch.scenes.source.scene import Band, Pixels, Scene
from segsr_arch.scenes.source.value_checks import check_unit_range
from segsr_arch.windows import Window

_NEAR = 2.0**-16  # relative to a no-data value: GDAL takes floats for it that are much nearer


class BandReader:
    """Reads some bands of an open raster, and no mask that says nothing.

    What is valid is what GDAL takes for it: by no-data value, mask, or alpha. Besides, NaN and infinite values are
    invalid, and so is what is transparent by an alpha band to which GDAL prefers a no-data value.

    Args:
        dataset: The raster; used by one thread.
        path: What it is called in messages.
        bands: What is read.
    """

    def __init__(self, dataset: DatasetReader, path: str, bands: Sequence[Band]) -> None:
        self._dataset = dataset
        self._path = path
        self._indexes = [band.index for band in bands]
        self._floats = np.dtype(dataset.dtypes[bands[0].index - 1]).kind == "f"
        self._alpha = [position for position, band in enumerate(bands) if band.role == "alpha"]
        self._opaque = [position for position, band in enumerate(bands) if band.role != "alpha"]
        nodata = {position: bands[position].nodata for position in self._opaque}
        self._nodata = {position: value for position, value in nodata.items() if value is not None and value == value}
        masks = (position for position in self._opaque if MaskFlags.per_dataset in self._flags(position))
        self._masked = [each for each in masks if not (self._alpha and MaskFlags.alpha in self._flags(each))]
        self._single = [position for position in self._opaque if not self._flags(position)]  # a mask of its own

    def _flags(self, position: int) -> list[MaskFlags]:
        flags: list[MaskFlags] = self._dataset.mask_flag_enums[self._indexes[position] - 1]
        return flags

    @property
    def may_be_invalid(self) -> bool:
        """Whether any pixel could be invalid."""
        return bool(self._floats or self._alpha or self._nodata or self._masked or self._single)

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns that the file stores together."""
        height, width = self._dataset.block_shapes[self._indexes[0] - 1]
        return height, width

    @property
    def has_overviews(self) -> bool:
        """Whether the file holds reduced copies, too."""
        return bool(self._dataset.overviews(self._indexes[0]))

    def read(self, window: Window, *, longest_side: int | None = None) -> Pixels:
        """Read a window of the raster.

        Args:
            window: In pixels of the raster, inside of it.
            longest_side: Rows and columns that are read at most; of a larger window, rows and columns are left out.

        Raises:
            DataError: If it cannot be read; the message names the file and the place.
        """
        longest = longest_side or max(window.height, window.width)
        height, width = min(window.height, longest), min(window.width, longest)
        part = {"window": RasterWindow(window.left, window.top, window.width, window.height)}
        with reading(self._path, window):
            shape = (len(self._indexes), height, width)
            values: np.ndarray = self._dataset.read(self._indexes, out_shape=shape, **part)
            if not self.may_be_invalid:
                return Pixels(values=values, valid=np.broadcast_to(np.True_, values.shape))
            valid = np.isfinite(values) if self._floats else np.ones(values.shape, bool)
            for position, nodata in self._nodata.items():
                if not self._floats:
                    np.not_equal(values[position], values.dtype.type(nodata), out=valid[position])
                elif _may_hold(values[position], nodata):  # which floats are near enough is GDAL's to say
                    mask = self._dataset.read_masks(self._indexes[position], out_shape=shape[1:], **part)
                    valid[position] &= mask != 0
            if self._masked:  # one mask for all
                mask = self._dataset.read_masks(self._indexes[self._masked[0]], out_shape=shape[1:], **part)
                valid[self._masked] &= mask != 0
            for position in self._single:
                mask = self._dataset.read_masks(self._indexes[position], out_shape=shape[1:], **part)
                valid[position] &= mask != 0
        for position in self._alpha:
            valid[self._opaque] &= values[position] != 0
            valid[position] = True
        return Pixels(values=values, valid=valid)


def _may_hold(values: np.ndarray, nodata: float) -> bool:
    """Whether floats could be the no-data value, which is cheaper to tell than where; NaN makes it possible."""
    margin = _NEAR * abs(nodata)
    return not (values.min() > nodata + margin or values.max() < nodata - margin)


class SceneReader:
    """Reads a scene window by window; a context manager, for one thread.

    Args:
        scene: What to read.

    Raises:
        DataError: If it cannot be opened.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._dataset = open_raster(scene.path)
        self._bands = BandReader(self._dataset, scene.path, scene.bands)

    def read(self, window: Window, *, longest_side: int | None = None) -> Pixels:
        """Read a window.

        Args:
            window: In pixels of the scene's region, inside of it.
            longest_side: Rows and columns that are read at most; of a larger window, rows and columns are left out.

        Returns:
            Its pixels: all bands of the scene.

        Raises:
            DataError: If it cannot be read, or holds values that the network cannot be given unless a range is stated.
        """
        region = self._scene.region
        place = Window(
            top=region.top + window.top, left=region.left + window.left, height=window.height, width=window.width
        )
        pixels = self._bands.read(place, longest_side=longest_side)
        network = list(self._scene.network_bands)
        if self._scene.radiometry.assumed(network):
            values = pixels.values[network]
            values = values if pixels.all_valid else values[pixels.valid[network]]
            check_unit_range(self._scene.path, values, f"in {place_words(place)}")
        return pixels

    def close(self) -> None:
        """Close the raster."""
        self._dataset.close()

    def __enter__(self) -> "SceneReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
