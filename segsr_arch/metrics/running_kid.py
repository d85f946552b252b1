"""KID where only a mean over images can be had: values whose mean is exactly the figure of the set."""

import zlib

import numpy as np

from segsr_arch.errors import ConfigError
from segsr_arch.metrics.kid import mmd_from_sums, polynomial_kernel


class RunningKid:
    """KID of the images so far, one by one.

    Stock BasicSR adds up one number an image and divides by their count. So the n-th image gets n * KID_n -
    (n - 1) * KID_(n-1), KID_1 counting 0: the sum over n images is n * KID_n. Only the mean has a meaning.

    The loop does not say where a validation ends; the number of images does, and after it everything starts anew. It
    is checked by the ground truths: two of them that follow one another stand at the same place in every validation.

    Args:
        images: Number of images of a validation, at least 2.

    Raises:
        ConfigError: If it is less.
    """

    def __init__(self, *, images: int) -> None:
        if images < 2:
            raise ConfigError(f"images: {images}: KID needs at least 2; give the number of validation images")
        self.images = images
        self._places: dict[tuple[int, int], int] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the images of an unfinished validation."""
        self._features: list[np.ndarray] = []
        self._sums = np.zeros(3)
        self._last_value = 0.0
        self._last_gt: int | None = None

    def _check_place(self, gt: np.ndarray) -> None:
        current = zlib.crc32(np.ascontiguousarray(gt))
        place, previous, self._last_gt = len(self._features), self._last_gt, current
        if previous is None or previous == current:
            return
        if self._places.setdefault((previous, current), place) != place:
            self.reset()
            raise ConfigError(
                f"kid: images: {self.images} is not the number of validation images: an image of one validation came "
                f"again at another place of the next. Give the number of images of the validation set (and the same "
                f"for every set that these metrics are computed on)."
            )

    def add(self, features: np.ndarray, gt: np.ndarray) -> float:
        """Take one image pair in.

        Args:
            features: (2, d): of the SR image, then of the GT image.
            gt: The GT image, by which a wrong number of images is noticed.

        Returns:
            The value whose mean over all images is the KID of the set.

        Raises:
            ConfigError: If the number of images turns out to be wrong.
        """
        self._check_place(gt)
        sr_features, gt_features = features[:1], features[1:]
        if self._features:
            before = np.stack(self._features)
            self._sums[0] += 2 * polynomial_kernel(sr_features, before[:, 0]).sum()
            self._sums[1] += 2 * polynomial_kernel(gt_features, before[:, 1]).sum()
            self._sums[2] += polynomial_kernel(sr_features, before[:, 1]).sum()
            self._sums[2] += polynomial_kernel(before[:, 0], gt_features).sum()
        self._sums[2] += polynomial_kernel(sr_features, gt_features).sum()
        self._features.append(features)
        count = len(self._features)
        value = count * mmd_from_sums(*self._sums, count) if count > 1 else 0.0
        increment, self._last_value = value - self._last_value, value
        if count == self.images:
            self.reset()
        return float(increment)
