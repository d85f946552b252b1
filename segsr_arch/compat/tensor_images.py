"""Tensors become images whole, or not at all."""

import numpy as np

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import DataError


def _whole(stock):
    """Wrap ``tensor2img`` so that it refuses what it would cut."""

    def tensor2img(tensor, rgb2bgr=True, out_type=np.uint8, min_max=(0, 1)):
        for one in tensor if isinstance(tensor, list) else [tensor]:
            bands = one.shape[-3] if getattr(one, "ndim", 0) >= 3 else 1
            if bands not in (1, 3):
                raise DataError(f"An image of one or three bands can be made of a tensor, and this one has {bands}.")
        return stock(tensor, rgb2bgr, out_type, min_max)

    return tensor2img


def repair_tensor2img():
    """Refuse tensors of other than one or three bands.

    Cause: OpenCV turns four bands into three, of which ``tensor2img`` says nothing.

    Returns:
        True if it was stock.
    """
    from basicsr.utils import img_util

    stock = img_util.tensor2img
    if not is_stock(stock, "cvtColor", "make_grid"):
        return False
    substitute(stock, _whole(stock))
    return True
