"""PSNR and SSIM of image pairs under named protocols, equal to BasicSR's and several times faster, and cPSNR.

Pure functions of arrays that release Python's lock in OpenCV and numpy, so that threads can share the images of a data
set. What makes them fast: the Gaussian window is applied to rows and columns one after the other; the five filtered
images of the textbook form become four; Y is computed once for both values and all protocols, from a table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import cv2
import numpy as np
import torch

from segsr_arch.errors import DataError
from segsr_arch.metrics.images import check_pair, data_range
from segsr_arch.metrics.metric import Compute, Metric
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL, Channel, Protocol, find_protocol
from segsr_arch.windows import Window

WINDOW = 11  # side of SSIM's Gaussian window, and so the least side of an image (Wang et al. 2004)
_SIGMA = 1.5
_MARGIN = WINDOW // 2
_STRIP = 65536  # pixels that are worked on at once, so that intermediate results stay in the processor's cache
# Y of BT.601 in 16-235 from B, G, R in [0, 1]
_LUMA = np.array([24.966, 128.553, 65.481])
_LUMA_OFFSET = 16.0


@dataclass(frozen=True)
class Fidelity:
    """PSNR in dB (infinite for identical images) and SSIM of one image pair."""

    psnr: float
    ssim: float


@lru_cache(maxsize=2)
def _luma_table(largest: int) -> np.ndarray:
    """Contribution (1, 256, 3) of each channel value to Y / 255, after BasicSR's rounding of the value to float32."""
    values = np.arange(largest + 1, dtype=np.float32) / np.float32(largest)
    table: np.ndarray = (values.astype(np.float64)[:, None] * (_LUMA / 255.0))[None]
    return table


def luma(image: np.ndarray) -> np.ndarray:
    """Y of YCbCr (BT.601), rounded to float32 where BasicSR's ``to_y_channel`` does it.

    Args:
        image: (H, W, 3), B, G, R, uint8 or uint16.

    Returns:
        (H, W, 1) float64; from 16 to 235 for 8 bits, 257 times as much for 16 bits; not rounded to whole numbers.
    """
    y = np.empty((*image.shape[:2], 1))
    step = max(1, _STRIP // image.shape[1])
    for top in range(0, len(y), step):
        y[top : top + step, :, 0] = _luma_rows(image[top : top + step])
    return y


def _luma_rows(image: np.ndarray) -> np.ndarray:
    largest = data_range(image)
    sum_of_three = np.array([[1.0, 1.0, 1.0, _LUMA_OFFSET / 255.0]])
    if image.dtype == np.uint8:
        parts = cv2.LUT(image, _luma_table(largest))
    else:
        parts = (image.astype(np.float32) / np.float32(largest)).astype(np.float64) * (_LUMA / 255.0)
    y: np.ndarray = cv2.transform(parts, sum_of_three).astype(np.float32)
    y *= np.float32(largest)
    return y


def _planes(image: np.ndarray, channel: Channel) -> list[np.ndarray]:
    """Channels to measure, each (H, W) float64."""
    if channel == "y":
        return [luma(image)[..., 0]]
    return [np.ascontiguousarray(image[..., index], dtype=np.float64) for index in range(3)]


def _ssim_rows(sr: np.ndarray, gt: np.ndarray, largest: int) -> np.ndarray:
    """SSIM (h - 10, W - 10) wherever the window fits into some rows (h, W) of the images (Wang et al. 2004, eq. 13).

    With s = x + y and d = x - y, everything in it follows from the means and variances of s and d: 4 xy = s^2 - d^2
    and 2 (x^2 + y^2) = s^2 + d^2.
    """
    kernel = cv2.getGaussianKernel(WINDOW, _SIGMA)

    def smooth(plane: np.ndarray) -> Any:
        return cv2.sepFilter2D(plane, -1, kernel, kernel)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]

    total, difference = sr + gt, sr - gt
    mean_total, mean_difference = smooth(total), smooth(difference)
    total *= total
    difference *= difference
    squared_total, squared_difference = mean_total * mean_total, mean_difference * mean_difference
    variance_total, variance_difference = smooth(total), smooth(difference)
    variance_total -= squared_total
    variance_difference -= squared_difference
    # twice the constants of the paper, because so are the terms that they are added to
    c1, c2 = 2 * (0.01 * largest) ** 2, 2 * (0.03 * largest) ** 2
    numerator: np.ndarray = (squared_total - squared_difference + c1) * (variance_total - variance_difference + c2)
    squared_total += squared_difference
    squared_total += c1
    variance_total += variance_difference
    variance_total += c2
    squared_total *= variance_total
    numerator /= squared_total
    return numerator


def _ssim_map(sr: np.ndarray, gt: np.ndarray, largest: int) -> np.ndarray:
    """SSIM (H - 10, W - 10) at every place where the window fits, strip by strip."""
    height, width = sr.shape
    similarity = np.empty((height - WINDOW + 1, width - WINDOW + 1))
    step = max(WINDOW, _STRIP // width)  # the rows of two strips overlap by the window
    for top in range(0, len(similarity), step):
        rows = slice(top, top + step + WINDOW - 1)
        similarity[top : top + step] = _ssim_rows(sr[rows], gt[rows], largest)
    return similarity


def _mean_ssim(maps: list[np.ndarray], region: Window) -> float:
    """Mean over a region's places of SSIM's window, which begin where it still fits, and over channels."""
    places = replace(region, height=region.height - WINDOW + 1, width=region.width - WINDOW + 1)
    return float(np.mean([cv2.mean(each[places.slices])[0] for each in maps]))


def decibels(mean_squared_error: float, largest: int) -> float:
    """PSNR in dB of a mean squared error between images whose values go up to ``largest``; infinite without error."""
    return float("inf") if mean_squared_error == 0 else float(10 * np.log10(largest**2 / mean_squared_error))


def _psnr(planes: list[tuple[np.ndarray, np.ndarray]], channel: Channel, largest: int) -> float:
    errors = [cv2.norm(sr, gt, cv2.NORM_L2SQR) / sr.size for sr, gt in planes]
    if channel == "rgb-mean":
        return float(np.mean([decibels(error, largest) for error in errors]))
    return decibels(float(np.mean(errors)), largest)


def _hull(windows: Sequence[Window]) -> Window:
    """The least window that holds all of these."""
    top, left = min(each.top for each in windows), min(each.left for each in windows)
    bottom, right = max(each.bottom for each in windows), max(each.right for each in windows)
    return Window(top=top, left=left, height=bottom - top, width=right - left)


def _check_window(protocol: Protocol, region: Window, shape: tuple[int, ...], scale: int) -> None:
    if min(region.height, region.width) < WINDOW:
        smallest = protocol.smallest_side(scale, WINDOW)
        raise DataError(
            f"ssim: {region.height} x {region.width} pixels are left of an image of {shape[0]} x {shape[1]} after the "
            f"crop of protocol {protocol.name} at scale {scale}, but SSIM needs {WINDOW} x {WINDOW}; the image must "
            f"have at least {smallest} x {smallest}."
        )


def _find_all(protocols: Iterable[str | Protocol]) -> dict[str, Protocol]:
    found = (find_protocol(each) if isinstance(each, str) else each for each in protocols)
    return {protocol.name: protocol for protocol in found}


def measure_fidelity(
    sr: np.ndarray,
    gt: np.ndarray,
    *,
    scale: int,
    protocols: Iterable[str | Protocol] = (DEFAULT_PROTOCOL,),
    with_ssim: bool = True,
) -> dict[str, Fidelity]:
    """Compute PSNR and SSIM under one or several protocols at once, sharing what they have in common.

    Args:
        sr: Super-resolved image (H, W, 3), B, G, R, uint8 or uint16.
        gt: Ground truth, of the same size and depth.
        scale: Super-resolution factor; the border of some protocols.
        protocols: Names or :class:`Protocol` objects.
        with_ssim: Whether SSIM, which takes most of the time, is wanted; where not, it is NaN.

    Returns:
        The values by name of the protocol, in the order given.

    Raises:
        ConfigError: If a protocol is not known.
        DataError: If the images do not fit together, or are smaller than a protocol or SSIM's window needs.
    """
    check_pair(sr, gt, metric="psnr/ssim")
    found = _find_all(protocols)
    regions = {name: protocol.region(sr.shape[0], sr.shape[1], scale) for name, protocol in found.items()}
    for name, region in regions.items() if with_ssim else ():
        _check_window(found[name], region, sr.shape, scale)
    largest = data_range(sr)
    values = {}
    for kinds in (("y",), ("rgb", "rgb-mean")):
        group = {name: protocol for name, protocol in found.items() if protocol.channel in kinds}
        if not group:
            continue
        outer = _hull([regions[name] for name in group])
        pairs = [_planes(image[outer.slices], kinds[0]) for image in (sr, gt)]
        planes = list(zip(*pairs, strict=True))
        maps = [_ssim_map(one, other, largest) for one, other in planes] if with_ssim else []
        for name, protocol in group.items():
            inner = regions[name].relative_to(outer)
            cut = [(one[inner.slices], other[inner.slices]) for one, other in planes]
            values[name] = Fidelity(
                psnr=_psnr(cut, protocol.channel, largest),
                ssim=_mean_ssim(maps, inner) if with_ssim else float("nan"),
            )
    return {name: values[name] for name in found}


def cpsnr(sr: np.ndarray, gt: np.ndarray, *, scale: int, protocol: str | Protocol = DEFAULT_PROTOCOL) -> float:
    """PSNR in dB once the mean difference of the SR image is taken off it, channel by channel.

    The score of PROBA-V's challenge (Märtens et al. 2019, eqs. 1 to 3) without its search for the best shift: a
    network that reconstructs well and is a little too bright is told from one that reconstructs badly.

    Args:
        sr: Super-resolved image (H, W, 3), B, G, R, uint8 or uint16.
        gt: Ground truth, of the same size and depth.
        scale: Super-resolution factor; the border of some protocols.
        protocol: Name or :class:`Protocol`.

    Returns:
        At least the PSNR; infinite for images that are identical but for a constant.

    Raises:
        ConfigError: If the protocol is not known.
        DataError: If the images do not fit together, or are smaller than the protocol needs.
    """
    check_pair(sr, gt, metric="cpsnr")
    (found,) = _find_all([protocol]).values()
    region = found.region(sr.shape[0], sr.shape[1], scale)
    channel: Channel = "y" if found.channel == "y" else "rgb"
    planes = [_planes(image[region.slices], channel) for image in (sr, gt)]
    pairs = [(one - (one.mean() - other.mean()), other) for one, other in zip(*planes, strict=True)]
    return _psnr(pairs, found.channel, data_range(sr))


def psnr(sr: np.ndarray, gt: np.ndarray, *, scale: int, protocol: str | Protocol = DEFAULT_PROTOCOL) -> float:
    """Peak signal-to-noise ratio in dB; infinite for identical images. See :func:`measure_fidelity`."""
    (values,) = measure_fidelity(sr, gt, scale=scale, protocols=[protocol], with_ssim=False).values()
    return values.psnr


def ssim(sr: np.ndarray, gt: np.ndarray, *, scale: int, protocol: str | Protocol = DEFAULT_PROTOCOL) -> float:
    """Structural similarity (Wang et al. 2004), at most 1, mean over channels. See :func:`measure_fidelity`."""
    (values,) = measure_fidelity(sr, gt, scale=scale, protocols=[protocol]).values()
    return values.ssim


def _load(compute: Compute, *, device: torch.device, protocol: str = DEFAULT_PROTOCOL) -> tuple[str, Compute]:
    found = find_protocol(protocol)
    return f"segsr, protocol {found.name}", partial(compute, protocol=found)


METRICS = (
    Metric(
        name="psnr",
        title="PSNR",
        better="higher",
        unit="dB",
        needs_scale=True,
        description="Peak signal-to-noise ratio; infinite for identical images.",
        loader=partial(_load, psnr),
    ),
    Metric(
        name="ssim",
        title="SSIM",
        better="higher",
        needs_scale=True,
        smallest_side=WINDOW,
        description="Structural similarity, at most 1.",
        source="Wang et al. 2004",
        loader=partial(_load, ssim),
    ),
    Metric(
        name="cpsnr",
        title="cPSNR",
        better="higher",
        unit="dB",
        needs_scale=True,
        description="PSNR once the mean difference from the ground truth is taken off, by channel and without a search "
        "for shifts: what is beyond PSNR is an error of brightness. Infinite for images that differ by a constant.",
        source="Märtens et al. 2019",
        loader=partial(_load, cpsnr),
    ),
)
