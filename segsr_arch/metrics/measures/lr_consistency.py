"""LR consistency: does the SR image, reduced again, give back the LR image that it was made from? Needs no HR image."""

import cv2
import numpy as np

from segsr_arch.degradations.bicubic import make_lr, mod_crop, reduce_exactly
from segsr_arch.metrics.images import check_lq, data_range
from segsr_arch.metrics.measures.fidelity import decibels
from segsr_arch.metrics.metric import Metric, plain


def _reduce(image: np.ndarray, scale: int) -> np.ndarray:
    """Reduce without rounding; 16-bit images byte by byte, which is exact because the reduction is linear."""
    if image.dtype == np.uint8:
        return reduce_exactly(image, scale)
    high, low = (image >> 8).astype(np.uint8), (image & 255).astype(np.uint8)
    reduced: np.ndarray = 256.0 * reduce_exactly(high, scale) + reduce_exactly(low, scale)
    return reduced


def lr_of(gt: np.ndarray, scale: int) -> np.ndarray:
    """Make the LR image of a ground truth where none is given: cut to a multiple of the scale, reduced, rounded.

    Args:
        gt: Ground truth (H, W, 3), uint8 or uint16.
        scale: Whole number from 2 to 16.

    Returns:
        (H // scale, W // scale, 3) of the same depth.

    Raises:
        DataError: If the scale is none of these, or no pixel is left.
    """
    gt = mod_crop(gt, scale)
    if gt.dtype == np.uint8:
        return make_lr(gt, scale)
    rounded: np.ndarray = np.rint(_reduce(gt, scale)).clip(0, data_range(gt))
    return rounded.astype(gt.dtype)


def lr_consistency(sr: np.ndarray, lq: np.ndarray, scale: int) -> float:
    """PSNR over all channels and pixels between the SR image, reduced again, and the LR image.

    The reduction is the one that made the LR images (:mod:`segsr_arch.degradations.bicubic`), cut to the data range as
    they are, but not rounded. The LR image is rounded, and this error alone is 10.8 dB + 20 log10(data range), 58.9 dB
    at 8 bits: about where the true HR image lies.

    Args:
        sr: Super-resolved image (scale * h, scale * w, 3), uint8 or uint16.
        lq: LR input (h, w, 3) of the same depth.
        scale: Whole number from 2 to 16.

    Returns:
        The value in dB; infinite if both agree exactly, as flat images can.

    Raises:
        DataError: If depths or sizes do not fit, or the scale is none of these.
    """
    check_lq(sr, lq, scale, metric="lr_consistency")
    reduced = _reduce(sr, scale).clip(0, data_range(sr))
    error = cv2.norm(reduced, lq.astype(np.float64), cv2.NORM_L2SQR) / reduced.size
    return decibels(error, data_range(sr))


METRICS = (
    Metric(
        name="lr_consistency",
        title="LR consistency",
        better="higher",
        unit="dB",
        needs="lq",
        needs_scale=True,
        description="PSNR between the SR image, reduced again, and the LR input, RGB, whole image; the true HR image "
        "has about 58.9 dB at 8 bits.",
        loader=plain(lr_consistency, backend="segsr, antialiased bicubic reduction (MATLAB's), not rounded"),
    ),
)
