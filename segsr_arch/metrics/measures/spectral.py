"""ERGAS, SAM, SCC and UQI, the metrics of image fusion in remote sensing, through torchmetrics in float64.

All take the super-resolved image (H, W, 3), uint8 or uint16, and a ground truth of the same size and depth.
"""

import math

import cv2
import numpy as np
import torch
import torchmetrics
from torchmetrics.functional.image import (
    error_relative_global_dimensionless_synthesis,
    spatial_correlation_coefficient,
    spectral_angle_mapper,
    universal_image_quality_index,
)

from segsr_arch.metrics.images import data_range, to_tensor
from segsr_arch.metrics.metric import Metric, plain

SCC_SIDE = 8  # window of the local correlations
UQI_SIDE = 11  # Gaussian window; torchmetrics leaves out where it does not fit
_BACKEND = f"torchmetrics {torchmetrics.__version__}"
_CPU = torch.device("cpu")


def _tensors(sr: np.ndarray, gt: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    one, other = (to_tensor(image, device=_CPU, dtype=torch.float64) for image in (sr, gt))
    return one, other


def _whole_numbers(sr: np.ndarray, gt: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """The images with values from 0 to 255 or 65535: for ratios in which the range cancels, and flat must stay flat."""
    one, other = ((each * data_range(sr)).round() for each in _tensors(sr, gt))
    return one, other


def ergas(sr: np.ndarray, gt: np.ndarray, scale: int) -> float:
    """Relative dimensionless global error in synthesis (Wald 2002).

    100 * h / l * sqrt(mean over bands of (RMSE / mean of the GT band)^2) with h / l the pixel size of the SR image over
    that of the LR input, so 1 / scale. torchmetrics divides by its ``ratio``, which therefore is the scale.

    Returns:
        The value, 0 for identical images; infinite or NaN if a band of the ground truth is 0 everywhere.
    """
    return float(error_relative_global_dimensionless_synthesis(*_tensors(sr, gt), ratio=scale))


def sam(sr: np.ndarray, gt: np.ndarray) -> float:
    """Spectral angle (Yuhas et al. 1992): mean angle in radians between the colours of the same pixel.

    The angle to a black pixel is undefined, and one such pixel would make the mean NaN; pixels that are black in
    either image are left out.

    Returns:
        The angle, from 0 to pi / 2; NaN if no pixel has a colour in both images.
    """
    coloured = sr.any(axis=2) & gt.any(axis=2)
    if not coloured.any():
        return math.nan
    # the metric does not look at where a pixel lies, so that the pixels left can stand in one row
    return float(spectral_angle_mapper(*_tensors(sr[coloured][None], gt[coloured][None])))


def scc(sr: np.ndarray, gt: np.ndarray) -> float:
    """Spatial correlation coefficient (Zhou et al. 1998): local correlation of the high-pass filtered bands.

    Returns:
        Mean over windows of 8 x 8 pixels and bands, from -1 to 1. A window in which either image has no detail counts
        0, so that identical images with flat areas have less than 1.
    """
    return float(spatial_correlation_coefficient(*_whole_numbers(sr, gt), window_size=SCC_SIDE))


def uqi(sr: np.ndarray, gt: np.ndarray) -> float:
    """Universal image quality index (Wang and Bovik 2002): SSIM without its two constants.

    Where both images are flat it is 0 / 0, and torchmetrics gives whatever rounding errors do. Such windows get what
    the authors' own program gives them: the term of the means alone, which is 1 where both are equal.

    Returns:
        Mean over places of the Gaussian window of 11 x 11 pixels and bands, from -1 to 1; 1 for identical images.
    """
    size = (UQI_SIDE, UQI_SIDE)
    index = universal_image_quality_index(*_whole_numbers(sr, gt), kernel_size=size, reduction="none")
    values = index[0].permute(1, 2, 0).flip(-1).numpy()
    inner = (slice(UQI_SIDE // 2, -(UQI_SIDE // 2)),) * 2
    flat = np.ones(values.shape, bool)
    for image in (sr, gt):
        flat &= (cv2.dilate(image, np.ones(size, np.uint8)) == cv2.erode(image, np.ones(size, np.uint8)))[inner]
    one, other = (image[inner][flat].astype(np.float64) for image in (sr, gt))
    both = one**2 + other**2
    values[flat] = np.where(both == 0, 1.0, 2 * one * other / np.where(both == 0, 1.0, both))
    return float(values.mean())


METRICS = (
    Metric(
        name="ergas",
        title="ERGAS",
        better="lower",
        needs_scale=True,
        description="Relative dimensionless global error in synthesis, with h / l = 1 / scale; 0 if identical, "
        "infinite or NaN if a band of the ground truth is 0 everywhere.",
        source="Wald 2002",
        loader=plain(ergas, backend=f"{_BACKEND}, ratio = scale"),
    ),
    Metric(
        name="sam",
        title="SAM",
        better="lower",
        unit="rad",
        description="Spectral angle in radians over pixels that are black in neither image; NaN if there is none.",
        source="Yuhas et al. 1992",
        loader=plain(sam, backend=f"{_BACKEND}, black pixels left out"),
    ),
    Metric(
        name="scc",
        title="SCC",
        better="higher",
        smallest_side=SCC_SIDE,
        description="Spatial correlation coefficient, from -1 to 1; flat windows count 0.",
        source="Zhou et al. 1998",
        loader=plain(scc, backend=f"{_BACKEND}, window 8"),
    ),
    Metric(
        name="uqi",
        title="UQI",
        better="higher",
        smallest_side=UQI_SIDE,
        description="Universal image quality index, from -1 to 1.",
        source="Wang and Bovik 2002",
        loader=plain(uqi, backend=f"{_BACKEND}, window 11, flat windows by their means"),
    ),
)
