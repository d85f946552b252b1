"""Guidance maps as pictures: all of a section on one colour scale."""

from dataclasses import dataclass

import cv2
import numpy as np

from segsr_arch.evaluation.map_files import read_maps
from segsr_arch.evaluation.report.pictures import centre_part, encode
from segsr_arch.results.references import ImageReference

_COLOURS = cv2.COLORMAP_VIRIDIS  # even in lightness, so that it survives colour blindness and a grey printer


@dataclass(frozen=True, kw_only=True)
class ColourScale:
    """Which cosine has which colour.

    Attributes:
        low: Cosine of the darkest colour.
        high: Cosine of the brightest.
    """

    low: float
    high: float

    def paint(self, cosines: np.ndarray) -> np.ndarray:
        """Paint an (H, W) array; returns (H, W, 3) uint8 BGR."""
        span = max(self.high - self.low, 1e-12)
        return cv2.applyColorMap(np.rint(((cosines - self.low) / span).clip(0, 1) * 255).astype(np.uint8), _COLOURS)

    def legend(self) -> str:
        """The colours from low to high as a ``data:`` address of a strip."""
        return encode(self.paint(np.linspace(self.low, self.high, 256)[None].repeat(8, axis=0)))


def read_shown_maps(reference: ImageReference, *, size: tuple[int, int], scale: int) -> np.ndarray:
    """Read the maps of one image on the grid of its LR pixels, of the part that is shown of a large image.

    Args:
        reference: Maps as an evaluation keeps them.
        size: Height and width of the LR image.
        scale: Upscaling factor.

    Returns:
        (k, H, W) float32 cosines.

    Raises:
        DataError: If the file is not there, or holds something else.
    """
    maps = read_maps(reference, size=size).numpy()
    return centre_part(maps.transpose(1, 2, 0), scale=scale, factor=1).transpose(2, 0, 1)
