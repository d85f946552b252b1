"""Do the samples of a network differ where it is wrong? A map of their spread is shown only if they do."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segsr_arch.errors import DataError, SaveError
from segsr_arch.evaluation.map_files import read_arrays
from segsr_arch.evaluation.sparsification import rank_correlation
from segsr_arch.metrics.images import data_range
from segsr_arch.results.record import EvaluationRecord
from segsr_arch.results.references import ImageReference
from segsr_arch.results.spread import Spread

COVERED = (0.60, 0.75)  # of a normal distribution one sigma covers .68, of eight samples' own estimate .62

FloatArray = npt.NDArray[np.floating]


class RunningSpread:
    """How far samples of an image lie apart, and what that tells of their error; no sample is kept.

    Means and sums of squared deviations run along (Welford, 1962), so that memory does not depend on their number.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean: FloatArray = np.zeros(())
        self._squares: FloatArray = np.zeros(())

    def add(self, sample: FloatArray) -> None:
        """Take another sample (3, sH, sW), RGB; what lies outside [0, 1] is cut."""
        clipped = sample.clip(0, 1).astype(np.float64)
        self._count += 1
        off = clipped - self._mean
        self._mean = self._mean + off / self._count
        self._squares = self._squares + off * (clipped - self._mean)

    def against(self, gt: np.ndarray | None) -> tuple[FloatArray, Spread]:
        """Compare the spread of at least two samples with the error of their mean.

        Args:
            gt: Ground truth (sH, sW, 3), BGR, uint8 or uint16, if there is one.

        Returns:
            The map (sH, sW), and the spread without values and without the place of the map.
        """
        middle, deviation = self._mean, np.sqrt(self._squares / (self._count - 1))
        spread = deviation.mean(axis=0)
        if gt is None:
            return spread, Spread(values={})
        truth = gt[..., ::-1].transpose(2, 0, 1) / data_range(gt)
        error = np.abs(middle - truth)
        gradient = np.hypot(*np.gradient(middle.mean(axis=0)))
        correlations = (rank_correlation(each, error.mean(axis=0)) for each in (spread, gradient))
        by_spread, by_gradient = (None if math.isnan(each) else each for each in correlations)
        return spread, Spread(
            values={},
            correlation=by_spread,
            gradient_correlation=by_gradient,
            coverage=float((error <= deviation).mean()),
        )


def why_hidden(record: EvaluationRecord) -> str | None:
    """Say why the spread maps of a method are not worth a look; ``None`` if they are.

    They are if they tell where the error is better than the gradient of the image does, and if one standard deviation
    covers the error about as often as it should, both on average over the images.

    Args:
        record: With samples.
    """
    spreads = [row.spread for row in record.images if row.spread is not None]
    covered = [each.coverage for each in spreads if each.coverage is not None]
    if not covered:
        return "there is no ground truth to compare it with"
    by_spread = [each.correlation for each in spreads if each.correlation is not None]
    by_gradient = [each.gradient_correlation for each in spreads if each.gradient_correlation is not None]
    if not by_spread:
        return "the samples do not differ from place to place"
    gradient = float(np.mean(by_gradient)) if by_gradient else 0.0
    correlation, share = float(np.mean(by_spread)), float(np.mean(covered))
    if correlation <= gradient:
        return (
            f"it tells where errors are no better than the gradient of the image does (rank correlation "
            f"{correlation:.3f} against {gradient:.3f})"
        )
    if not COVERED[0] <= share <= COVERED[1]:
        size = "small" if share < COVERED[0] else "large"
        return (
            f"it is too {size}: one standard deviation covers {share:.2f} of the errors, which should be "
            f"{COVERED[0]:.2f} to {COVERED[1]:.2f}"
        )
    return None


def write_spread(path: Path, spread: FloatArray) -> None:
    """Write a spread map.

    Raises:
        SaveError: If that fails.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, spread=spread.astype(np.float16))
    except OSError as error:
        raise SaveError(f"{path}: cannot be written ({error.strerror}); make room or choose another --out.") from error


def read_spread(reference: ImageReference) -> FloatArray:
    """Read a spread map: (sH, sW) float32.

    Raises:
        DataError: If the file is not there, or holds something else.
    """
    (spread,) = read_arrays(reference, "spread", what="spread maps")
    spread = spread.astype(np.float32)
    if spread.ndim != 2 or not spread.size or not np.isfinite(spread).all() or spread.min() < 0:
        raise DataError(f"{reference}: expected a finite spread (H, W), found {spread.shape}; evaluate again.")
    return spread
