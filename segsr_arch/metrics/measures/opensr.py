"""What an SR image keeps of its LR input, what it adds, and whether that is true: the measures of opensr-test.

C. Aybar et al.: A comprehensive benchmark for optical remote sensing image super-resolution (IEEE GRSL 2024), with the
settings of version 1.3.3 of its package (per pixel, reflectance and synthesis by absolute differences, correctness by
normalised differences), but without its alignment of the SR image: that finds shifts where texture was made up, and
then takes a part of the hallucination away. LR images that were made of the ground truth lie on it anyway.

All take images (H, W, 3), uint8 or uint16, whose range is taken as [0, 1], and leave out a border of 16 pixels, or of
as many below that as are whole LR pixels.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from segsr_arch.metrics.images import check_lq, to_tensor
from segsr_arch.metrics.metric import Better, Metric, Needs, plain

BORDER = 16
LARGEST_SHIFT = 5.0
_STEPS = 50  # of a pixel, by which shifts are told apart
_LAMBDA = 0.05  # how far the three centres reach, the same for all
_TEMPERATURE = 0.25
_QUANTILE = 0.75
_TINY = 1e-8  # so that two black pixels do not differ
_ROUNDING = 1e-6  # of float32; a step of 16 bits is 15 times as much
_SOURCE = "Aybar et al. 2024"
_SMALLEST = 48
_CPU = torch.device("cpu")


def _inner(image: np.ndarray, border: int) -> Tensor:
    """Cut the border; (3, h, w) float32 in [0, 1]."""
    height, width = image.shape[:2]
    return to_tensor(image[border : height - border, border : width - border], device=_CPU)[0]


def _reduced(sr: np.ndarray, lq: np.ndarray, scale: int, name: str) -> tuple[Tensor, Tensor]:
    """The SR image on the grid of the LR image, and that image, both without border."""
    check_lq(sr, lq, scale, metric=name)
    kept = _inner(lq, BORDER // scale)
    within = _inner(sr, BORDER // scale * scale)[None]
    return functional.interpolate(within, size=kept.shape[1:], mode="bilinear", antialias=True)[0], kept


def _harmonised(sr: np.ndarray, gt: np.ndarray, lq: np.ndarray, scale: int, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """The SR image with the histograms of the ground truth, that, and the LR image enlarged, all without border."""
    from skimage.exposure import match_histograms

    check_lq(sr, lq, scale, metric=name)
    border = BORDER // scale * scale
    truth = _inner(gt, border)
    matched = match_histograms(_inner(sr, border).numpy(), truth.numpy(), channel_axis=0)
    up = functional.interpolate(_inner(lq, BORDER // scale)[None], size=truth.shape[1:], mode="bilinear")[0]
    return torch.from_numpy(matched), truth, up


def reflectance(sr: np.ndarray, lq: np.ndarray, scale: int) -> float:
    """Mean absolute difference between the SR image, reduced by bilinear antialiasing, and the LR image.

    Args:
        sr: SR image (scale * h, scale * w, 3).
        lq: LR input (h, w, 3) of the same depth.
        scale: Upscaling factor.

    Returns:
        The difference in [0, 1].

    Raises:
        DataError: If sizes or depths do not fit.
    """
    reduced, kept = _reduced(sr, lq, scale, "reflectance")
    return float((reduced - kept).abs().mean())


def spectral_angle(sr: np.ndarray, lq: np.ndarray, scale: int) -> float:
    """Mean angle between the colours of the SR image, reduced as for :func:`reflectance`, and those of the LR image.

    Returns:
        The angle in degrees, from 0 to 90; pixels that are black in one of the two have none and are left out, NaN if
        none is left.
    """
    reduced, kept = _reduced(sr, lq, scale, "spectral_angle")
    cosines = (reduced * kept).sum(0) / (reduced.norm(dim=0) * kept.norm(dim=0))
    return float(cosines.clamp(-1, 1).acos().rad2deg().nanmean())


def spatial_shift(sr: np.ndarray, lq: np.ndarray, scale: int) -> float:
    """Length of the shift between the SR image, reduced as for :func:`reflectance`, and the LR image.

    It is where their phase correlation (the bands averaged) is largest, to a fiftieth of a pixel.

    Returns:
        The shift in LR pixels; NaN if it is larger than 5, which no method makes: the correlation found nothing.
    """
    from skimage.registration import phase_cross_correlation

    reduced, kept = (each.numpy().mean(axis=0) for each in _reduced(sr, lq, scale, "spatial_shift"))
    shift, _, _ = phase_cross_correlation(reduced, kept, upsample_factor=_STEPS)
    length = float(np.hypot(*shift))
    return length if length <= LARGEST_SHIFT else math.nan


def synthesis(sr: np.ndarray, gt: np.ndarray, lq: np.ndarray, scale: int) -> float:
    """Mean absolute difference between the SR image and the LR image, enlarged bilinearly: how much was added.

    Args:
        sr: SR image (scale * h, scale * w, 3).
        gt: Ground truth of the same size and depth, whose histograms the SR image is given first.
        lq: LR input (h, w, 3) of the same depth.
        scale: Upscaling factor.

    Returns:
        The difference in [0, 1].

    Raises:
        DataError: If sizes or depths do not fit.
    """
    matched, _, up = _harmonised(sr, gt, lq, scale, "synthesis")
    return float((up - matched).abs().mean())


def correctness(sr: np.ndarray, gt: np.ndarray, lq: np.ndarray, scale: int, *, name: str) -> tuple[float, float, float]:
    """How much of the detail is right, lacking, and made up.

    With d(a, b) the mean over bands of abs(a - b) / (a + b), and the reference r = d(enlarged LR image, ground
    truth), a pixel is told by x = d(SR image, ground truth) / r and y = d(SR image, enlarged LR image) / r: x = 0 is
    right, y = 0 has nothing added, both large is made up. Its distances from these three are turned into shares by a
    softmax. Pixels count in which one of the three differences is above the 75 % quantile of r.

    Args:
        sr: SR image (scale * h, scale * w, 3).
        gt: Ground truth of the same size and depth, whose histograms the SR image is given first.
        lq: LR input (h, w, 3) of the same depth.
        scale: Upscaling factor.
        name: Name of the metric, for messages.

    Returns:
        Mean shares of improvement, omission and hallucination, each from 0 to 1 and together 1; NaN if no pixel counts.

    Raises:
        DataError: If sizes or depths do not fit.
    """
    matched, truth, up = _harmonised(sr, gt, lq, scale, name)
    pairs = torch.stack([torch.stack(pair) for pair in ((up, truth), (matched, truth), (matched, up))])
    differences = ((pairs[:, 0] - pairs[:, 1]).abs() / (pairs[:, 0] + pairs[:, 1] + _TINY)).mean(dim=1)
    differences = torch.where(differences < _ROUNDING, 0, differences)
    reference, from_truth, from_lr = differences
    threshold = reference.flatten().kthvalue(int(_QUANTILE * reference.numel())).values
    counts = (differences > threshold).any(dim=0)
    x, y = (each[counts] / reference[counts] for each in (from_truth, from_lr))
    reach = 1 - torch.exp(-_LAMBDA * (x + y - 1))
    distances = torch.stack([x + y * reach, y + x * reach, torch.exp(-_LAMBDA * x * y)])
    # Where the enlarged LR image is right already, whatever was added is made up; the first two are infinite there.
    shares = torch.softmax(-distances / _TEMPERATURE, dim=0).nanmean(dim=1)
    improved, omitted, made_up = shares.tolist()
    return improved, omitted, made_up


def _share(sr: np.ndarray, gt: np.ndarray, lq: np.ndarray, scale: int, *, number: int, name: str) -> float:
    return correctness(sr, gt, lq, scale, name=name)[number]


def _metric(
    compute: Callable[..., float],
    *,
    name: str,
    title: str,
    needs: Needs,
    description: str,
    better: Better = "lower",
    unit: str = "",
) -> Metric:
    aligned = "" if needs == "lq" else ", not aligned"
    return Metric(
        name=name,
        title=title,
        better=better,
        unit=unit,
        needs=needs,
        needs_scale=True,
        smallest_side=_SMALLEST,
        trial_side=_SMALLEST,
        description=description,
        source=_SOURCE,
        loader=plain(compute, backend=f"segsr, as opensr-test 1.3.3, border {BORDER}{aligned}"),
    )


_SHARES: tuple[tuple[str, Better, str], ...] = (
    ("improvement", "higher", "is added and right"),
    ("omission", "lower", "is lacking"),
    ("hallucination", "lower", "is made up"),
)

METRICS = (
    _metric(
        reflectance,
        name="reflectance",
        title="Reflectance difference",
        needs="lq",
        description="Mean absolute difference of the SR image, reduced, from the LR image, on the range [0, 1].",
    ),
    _metric(
        spectral_angle,
        name="spectral_angle",
        title="Spectral angle",
        needs="lq",
        unit="degrees",
        description="Mean angle between the colours of the SR image, reduced, and of the LR image, in degrees; black "
        "pixels are left out, NaN if there are no others.",
    ),
    _metric(
        spatial_shift,
        name="spatial_shift",
        title="Spatial shift",
        needs="lq",
        unit="LR pixels",
        description="Shift of the SR image, reduced, against the LR image by phase correlation, in LR pixels; NaN "
        "above 5, where nothing was found.",
    ),
    _metric(
        synthesis,
        name="synthesis",
        title="Synthesis",
        needs="gt and lq",
        better="higher",
        description="Mean absolute difference of the SR image from the LR image, enlarged, on the range [0, 1]: how "
        "much was added, right or wrong.",
    ),
    *(
        _metric(
            partial(_share, number=number, name=name),
            name=name,
            title=name.capitalize(),
            needs="gt and lq",
            better=better,
            description=f"Share of the detail that {what}, from 0 to 1; improvement, omission and hallucination are "
            f"together 1. NaN where no pixel has detail.",
        )
        for number, (name, better, what) in enumerate(_SHARES)
    ),
)
