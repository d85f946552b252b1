"""Images and guidance maps of a validation for TensorBoard."""

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor


def map_strip(maps: Tensor) -> np.ndarray:
    """Draw guidance maps side by side in viridis, on one scale from their lowest to their highest value.

    Args:
        maps: (k, H, W), cosines in [-1, 1].

    Returns:
        (H, k * W, 3) RGB uint8.
    """
    low, high = maps.min(), maps.max()
    grey = ((maps - low) / (high - low).clamp_min(1e-12) * 255).round().to("cpu", torch.uint8).numpy()
    strip = np.concatenate(list(grey), axis=1)
    coloured: np.ndarray = cv2.applyColorMap(strip, cv2.COLORMAP_VIRIDIS)[..., ::-1].copy()
    return coloured


class ValidationImages:
    """Shows the first images of a validation in TensorBoard: SR and further pictures each time, LR and HR once.

    Args:
        tb_logger: TensorBoard writer.
        more_pictures: Draws further pictures (H, W, 3) of an LR image (1, C, H, W), by name.
        dataset: Name of the data set.
        iteration: Training iteration.
        count: How many images are shown.
        first: Whether LR and HR are shown, too.
    """

    def __init__(
        self,
        *,
        tb_logger: Any,
        more_pictures: Callable[[Tensor], Mapping[str, np.ndarray]],
        dataset: str,
        iteration: int,
        count: int,
        first: bool,
    ) -> None:
        self._tb_logger = tb_logger
        self._more_pictures = more_pictures
        self._dataset = dataset
        self._iteration = iteration
        self._count = count
        self._first = first

    def __call__(self, count: int, name: str, images: Mapping[str, Tensor]) -> None:
        """Show an image, if it is among the first; see :func:`segsr_arch.models.validation.validate`."""
        if count >= self._count:
            return
        for role, image in images.items():
            if role == "sr" or self._first:
                self._add(f"{name}/{role}", image[0].detach().float().clamp(0, 1), "CHW")
        for role, picture in self._more_pictures(images["lq"]).items():
            self._add(f"{name}/{role}", picture, "HWC")

    def _add(self, tag: str, image: Any, dataformats: str) -> None:
        self._tb_logger.add_image(f"{self._dataset}/{tag}", image, self._iteration, dataformats=dataformats)
