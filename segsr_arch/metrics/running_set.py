"""A metric of a whole set where only a mean over images can be had: values whose mean is exactly that of the set."""

import zlib
from collections.abc import Callable

import numpy as np

from segsr_arch.errors import ConfigError
from segsr_arch.metrics.metric import Metric


class RunningSet:
    """The value of the images so far, one by one.

    Stock BasicSR adds up one number an image and divides by their count. So the n-th image gets n * VALUE_n -
    (n - 1) * VALUE_(n-1), VALUE_1 counting 0: the sum over n images is n * VALUE_n. Only the mean has a meaning.

    The loop does not say where a validation ends; the number of images does, and after it everything starts anew. It
    is checked by the ground truths: two of them that follow one another stand at the same place in every validation.

    Args:
        metric: A metric of whole sets.
        images: Number of images of a validation, at least 2.

    Raises:
        ConfigError: If it is less.
    """

    def __init__(self, metric: Metric, *, images: int) -> None:
        if images < 2:
            raise ConfigError(
                f"images: {images}: {metric.title} needs at least 2; give the number of validation images"
            )
        self.images = images
        self._metric = metric
        self._places: dict[tuple[int, int], int] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the images of an unfinished validation."""
        self._total_with = (self._metric.running or self._combine_again)()
        self._count = 0
        self._last_total = 0.0
        self._last_gt: int | None = None

    def _combine_again(self) -> Callable[[np.ndarray], float]:
        gathered: list[np.ndarray] = []

        def total_with(features: np.ndarray) -> float:
            gathered.append(features)
            count = len(gathered)
            return count * self._metric.value_of_set(gathered).value if count > 1 else 0.0

        return total_with

    def _check_place(self, gt: np.ndarray) -> None:
        current = zlib.crc32(gt.tobytes())
        previous, self._last_gt = self._last_gt, current
        if previous is None or previous == current:
            return
        if self._places.setdefault((previous, current), self._count) != self._count:
            self.reset()
            raise ConfigError(
                f"{self._metric.name}: images: {self.images} is not the number of validation images: an image of one "
                f"validation came again at another place of the next. Give the number of images of the validation set "
                f"(and the same for every set that these metrics are computed on)."
            )

    def add(self, features: np.ndarray, gt: np.ndarray) -> float:
        """Take one image pair in.

        Args:
            features: (2, d): of the SR image, then of the GT image.
            gt: The GT image, by which a wrong number of images is noticed.

        Returns:
            The number whose mean over all images is the value of the set.

        Raises:
            ConfigError: If the number of images turns out to be wrong.
        """
        self._check_place(gt)
        total = self._total_with(features)
        increment, self._last_total = total - self._last_total, total
        self._count += 1
        if self._count == self.images:
            self.reset()
        return float(increment)
