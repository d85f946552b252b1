"""What the form for inference costs: the exported network beside the trained one, on the same images."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far two networks agree.

    Attributes:
        images: Number of images.
        largest_difference: Of a value, in grey levels of 255.
        psnr: Mean PSNR of the one network's output against the other's, in dB; infinite if they are equal.
        psnr_change: Mean PSNR against the ground truth, the second network's minus the first's, in dB; ``None`` if no
            image has ground truth.
    """

    images: int
    largest_difference: float
    psnr: float
    psnr_change: float | None


def compare_networks(first: Network, second: Network, items: Iterable[Mapping[str, Any]], *, crop: int) -> Agreement:
    """Run two networks on the same images; PSNR over R, G and B of outputs in [0, 1], before rounding.

    Args:
        first: From (1, 3, H, W) to (1, 3, sH, sW); each network gets a copy of its own.
        second: Another one, of the same scale.
        items: With ``lq`` (3, H, W) and perhaps ``gt`` (3, sH, sW), RGB in [0, 1].
        crop: Border that is left out against the ground truth, in HR pixels.

    Returns:
        Their agreement.

    Raises:
        ValueError: If there is no image.
    """
    largest, agreements, changes = 0.0, [], []
    with torch.no_grad():
        for item in items:
            lq = item["lq"].unsqueeze(0)
            ours, theirs = (network(lq.clone()).float().clamp(0, 1) for network in (first, second))
            largest = max(largest, 255 * (ours - theirs).abs().max().item())
            agreements.append(_psnr(ours, theirs))
            if "gt" in item:
                gt = item["gt"].unsqueeze(0).to(ours.device)
                inside = (..., slice(crop, -crop or None), slice(crop, -crop or None))
                changes.append(_psnr(theirs[inside], gt[inside]) - _psnr(ours[inside], gt[inside]))
    if not agreements:
        raise ValueError("no image to compare the networks on")
    return Agreement(
        images=len(agreements),
        largest_difference=largest,
        psnr=statistics.fmean(agreements),
        psnr_change=statistics.fmean(changes) if changes else None,
    )


def _psnr(one: Tensor, other: Tensor) -> float:
    error = (one.double() - other.double()).square().mean().item()
    return math.inf if error == 0 else -10 * math.log10(error)
