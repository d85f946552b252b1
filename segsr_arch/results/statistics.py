"""Means over images with bootstrap intervals, and the paired comparison of two methods."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

LEVEL = 0.95
RESAMPLES = 10_000
ROUNDING = 1e-9
"""Relative difference below which two values are equal: what two implementations of one figure may differ by."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A mean over images.

    Attributes:
        mean: Mean of the values.
        low: Lower end of the 95 % interval; ``None`` with fewer than two images or with infinite values.
        high: Upper end.
        n: Number of images.
    """

    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class PairedComparison:
    """Method A against method B on the same images, with respect to one metric.

    Attributes:
        n: Number of images.
        difference: Mean of A - B, with its interval, in the metric's unit, over the images on which it is finite (two
            infinite values differ by 0); ``None`` if there is none.
        won: Share of images in [0, 1] on which A is better.
        lost: Share on which B is better; the rest are ties.
    """

    n: int
    difference: Mean | None
    won: float
    lost: float


def mean_with_interval(values: Sequence[float] | npt.NDArray[np.float64], *, seed: int = 0) -> Mean:
    """Average over images, with a 95 % percentile bootstrap interval (10,000 resamples of the images).

    Args:
        values: One value an image, at least one, no NaN.
        seed: Of the resampling, so that the same values give the same interval.

    Returns:
        Mean and interval.

    Raises:
        ValueError: If there is no value, or one is NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0 or np.isnan(array).any():
        raise ValueError("a mean needs at least one value and no NaN")
    # The sum is exact, so that the order of images and the number of processes do not matter.
    mean = math.fsum(array) / array.size if np.isfinite(array).all() else float(array.mean())
    if array.size < 2 or not math.isfinite(mean):
        return Mean(mean=mean, low=None, high=None, n=array.size)
    interval = stats.bootstrap(
        (array,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        batch=max(1, 5_000_000 // array.size),
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Mean(mean=mean, low=float(interval.low), high=float(interval.high), n=array.size)


def compare_pairs(a: Sequence[float], b: Sequence[float], *, better: str, seed: int = 0) -> PairedComparison:
    """Compare two methods image by image.

    Args:
        a: Values of method A, one an image.
        b: Values of method B on the same images in the same order.
        better: ``higher`` or ``lower``.
        seed: Of the bootstrap.

    Returns:
        Mean difference with its interval, shares won and lost. Two infinite values of one image count as a tie, and so
        do values that differ by less than :data:`ROUNDING` of them.

    Raises:
        ValueError: If the lengths differ, there is no value, or one is NaN.
    """
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape:
        raise ValueError(f"paired values of different lengths: {first.size} and {second.size}")
    if np.isnan(first).any() or np.isnan(second).any():
        raise ValueError("paired values hold NaN")
    differences = np.zeros_like(first)
    np.subtract(first, second, out=differences, where=~np.isclose(first, second, rtol=ROUNDING, atol=0))
    gains = differences if better == "higher" else -differences
    finite = differences[np.isfinite(differences)]
    return PairedComparison(
        n=first.size,
        difference=mean_with_interval(finite, seed=seed) if finite.size else None,
        won=float((gains > 0).mean()),
        lost=float((gains < 0).mean()),
    )
