"""Does a map of uncertainty tell where an output is wrong? Rank correlation and sparsification."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]

SHARES = np.linspace(0, 0.95, 20)
"""Shares of pixels that are left out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sparsification:
    """What is left of an image's error when the pixels with the highest uncertainty are left out.

    Eddy Ilg et al.: Uncertainty estimates and multi-hypotheses networks for optical flow (ECCV 2018), section 4.1.

    Attributes:
        curve: Mean error of the rest over that of the whole, for each of :data:`SHARES`; 1 at 0.
        oracle: The same where the pixels with the largest errors are left out: no map can do better.
    """

    curve: FloatArray
    oracle: FloatArray

    @property
    def gained(self) -> float:
        """Share of the oracle's gain that is reached: areas between the curves and that of random choice, which is 1.

        1 for the oracle itself, 0 for random choice, negative for worse.
        """
        return float((1 - self.curve).sum() / (1 - self.oracle).sum())


def sparsification(uncertainty: FloatArray, error: FloatArray) -> Sparsification:
    """Leave out pixels by uncertainty, and by error.

    Args:
        uncertainty: Any shape; pixels of equal uncertainty are left out in the order in which they lie.
        error: Absolute errors of the same shape, not all zero.
    """
    return Sparsification(
        curve=_rest(error.ravel()[np.argsort(-uncertainty.ravel(), kind="stable")]),
        oracle=_rest(-np.sort(-error.ravel())),
    )


def _rest(errors: FloatArray) -> FloatArray:
    """Mean of what is left behind each share of the errors, over the mean of all."""
    left = np.cumsum(errors[::-1].astype(np.float64))[::-1]
    first = np.minimum(np.round(SHARES * errors.size).astype(int), errors.size - 1)  # one is always left
    means: FloatArray = left[first] / (errors.size - first)
    return means / means[0]


def rank_correlation(uncertainty: FloatArray, error: FloatArray) -> float:
    """Spearman's correlation of two arrays of one shape; NaN where one of them is flat."""
    from scipy import stats

    ranks = (stats.rankdata(each.ravel()) for each in (uncertainty, error))
    one, other = (each - each.mean() for each in ranks)
    size = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / size) if size else float("nan")
