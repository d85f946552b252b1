"""Tiles as TIFF holds them: padded, pixel by pixel, differences taken, compressed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from segsr_arch.compat.opencv_limits import MOST_BANDS
from segsr_arch.errors import ConfigError
from segsr_arch.scenes.options import COMPRESSIONS, Compression

SAMPLE_TYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Types of pixels, by their names in numpy."""

# Levels with which a tile of an image is about as small as it gets at a tenth of the time that the highest takes.
_ENCODERS: dict[Compression, tuple[int, Callable[[Any], bytes]]] = {
    "deflate": (8, lambda data: bytes(imagecodecs.deflate_encode(data, 6, raw=False))),
    "zstd": (50000, lambda data: bytes(imagecodecs.zstd_encode(data, 9))),
    "lzw": (5, lambda data: bytes(imagecodecs.lzw_encode(data))),
    "none": (1, bytes),
}


@dataclass(frozen=True, kw_only=True)
class TileCoding:
    """How the tiles of a raster are stored.

    Attributes:
        count: Number of bands; a pixel's values lie side by side.
        dtype: Type of the values, one of :data:`SAMPLE_TYPES`.
        block: Rows and columns of a tile, a multiple of 16.
        compress: Compression, without loss.

    Raises:
        ConfigError: If TIFF has no such tiles.
    """

    count: int
    dtype: str
    block: int
    compress: Compression = "deflate"

    def __post_init__(self) -> None:
        if self.compress not in COMPRESSIONS:
            raise ConfigError(f"compress: {self.compress!r} is not known; known: {', '.join(COMPRESSIONS)}")
        if self.dtype not in SAMPLE_TYPES:
            raise ConfigError(f"pixels of type {self.dtype} are not written; known: {', '.join(SAMPLE_TYPES)}")
        if self.block < 16 or self.block % 16 or self.count < 1:
            raise ConfigError(
                f"tiles have a multiple of 16 rows and at least one band; got {self.block} rows, {self.count} bands"
            )

    @property
    def compression_tag(self) -> int:
        """What TIFF's tag Compression says."""
        return _ENCODERS[self.compress][0]

    @property
    def predictor_tag(self) -> int:
        """What TIFF's tag Predictor says: 1 none, 2 differences of integers, 3 differences of the bytes of floats."""
        if self.compress == "none":
            return 1
        return 3 if np.dtype(self.dtype).kind == "f" else 2

    def encode(self, values: NDArray[Any]) -> bytes:
        """Encode one tile; other threads run meanwhile.

        Args:
            values: (count, h, w) of ``dtype``, h and w at most ``block``. A tile at the right or lower edge is filled
                up with its last column and row, which takes next to no room.

        Returns:
            What the file holds.
        """
        _, height, width = values.shape
        pixels = np.empty((self.block, self.block, self.count), dtype=np.dtype(self.dtype).newbyteorder("<"))
        pixels[:height, :width] = _side_by_side(values)
        pixels[:height, width:] = pixels[:height, width - 1 : width]
        pixels[height:] = pixels[height - 1]
        rows: NDArray[Any] = pixels.reshape(self.block, -1)
        if self.predictor_tag == 3:
            # A row as the most significant bytes of all its values, then the next ones, and so on.
            parts = rows.view(np.uint8).reshape(*rows.shape, -1)[..., ::-1]
            rows = np.ascontiguousarray(parts.transpose(0, 2, 1)).reshape(self.block, -1)
        if self.predictor_tag != 1:
            differences = rows.copy()
            np.subtract(rows[:, self.count :], rows[:, : -self.count], out=differences[:, self.count :])
            rows = differences
        return _ENCODERS[self.compress][1](rows)


def _side_by_side(values: NDArray[Any]) -> NDArray[Any]:
    """Bands (C, h, w) as pixels (h, w, C), by OpenCV, which needs a quarter of numpy's time."""
    if len(values) > MOST_BANDS:
        return np.ascontiguousarray(values.transpose(1, 2, 0))
    known = values.view(np.int32) if values.dtype == np.uint32 else values  # it has all other types
    return np.asarray(cv2.merge(list(known))).view(values.dtype).reshape(*values.shape[1:], -1)
