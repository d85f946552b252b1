"""Tensors become images whole, or not at all.

Symptom: an image of four bands is saved with three.
Cause: OpenCV turns four bands into three, of which ``tensor2img`` says nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from segsr_arch.compat.patching import wrap_stock
from segsr_arch.errors import DataError


def repair() -> bool:
    """Refuse tensors of other than one or three bands."""
    from basicsr.utils import img_util

    return wrap_stock(img_util, "tensor2img", _whole, uses=("cvtColor", "make_grid"))


def _whole(stock: Callable[..., Any]) -> Callable[..., Any]:
    def tensor2img(
        tensor: Any, rgb2bgr: bool = True, out_type: type = np.uint8, min_max: tuple[float, float] = (0, 1)
    ) -> Any:
        for one in tensor if isinstance(tensor, list) else [tensor]:
            bands = one.shape[-3] if getattr(one, "ndim", 0) >= 3 else 1
            if bands not in (1, 3):
                raise DataError(f"An image of one or three bands can be made of a tensor, and this one has {bands}.")
        return stock(tensor, rgb2bgr, out_type, min_max)

    return tensor2img
