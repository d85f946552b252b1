"""Images of any value type as grey levels from 0 to 255, in which degradations are computed, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segsr_arch.errors import DataError

WHITE: dict[Any, int] = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
"""The value types of images, and which value is white (black is 0)."""


def to_levels(image: NDArray[Any]) -> NDArray[np.float32]:
    """Write an image in grey levels.

    Args:
        image: (H, W, C) uint8, uint16, or float32 in [0, 1].

    Returns:
        (H, W, C) from 0 (black) to 255 (white), not rounded; 8-bit values stay what they are.

    Raises:
        DataError: If the image is of another type or shape, or has values outside of [0, 1], or that are no numbers.
    """
    white = WHITE.get(image.dtype)
    if white is None or image.ndim != 3 or not image.size:
        raise DataError(
            f"a degradation needs an (H, W, C) image of uint8, uint16 or float32, got {image.dtype} of {image.shape}"
        )
    if white == 1 and not (image.min() >= 0 and image.max() <= 1):  # false for NaN, too
        raise DataError(
            f"an image of float32 must lie in [0, 1]; this one goes from {image.min()} to {image.max()}: scale it first"
        )
    levels = np.ascontiguousarray(image, np.float32)  # which OpenCV needs
    return levels if white == 255 else levels * np.float32(255 / white)


def from_levels(levels: NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Write grey levels in a value type: clipped to black and white; whole numbers are rounded half to even.

    Args:
        levels: Any shape.
        dtype: One of :data:`WHITE`.

    Returns:
        The same shape.
    """
    white = WHITE[dtype]
    if white == 1:
        return np.ascontiguousarray((levels * np.float32(1 / 255)).clip(0, 1), np.float32)
    return np.ascontiguousarray(np.rint(levels * np.float32(white / 255)).clip(0, white).astype(dtype))
