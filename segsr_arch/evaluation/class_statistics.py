"""Which classes drive the map of each unit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CLASS_DEFINITIONS: Mapping[str, str] = {
    "map_mean": "Mean of M_i over the patch positions of an image, then over the images of a class; its standard "
    "deviation (n - 1) is over those images.",
    "map_spread": "Standard deviation of M_i over the patch positions of an image, then mean over the images of a "
    "class.",
    "eta_squared": "Share of the variance over images of the map's mean that the class explains: sum of squares "
    "between the classes by total sum of squares, from 0 to 1. By chance alone it is about (classes - 1) / (images - "
    "1), given as eta_squared_by_chance.",
}


@dataclass(frozen=True, kw_only=True)
class ClassStatistics:
    """How the maps of the k units behave on the images of each of the m classes; see :data:`CLASS_DEFINITIONS`.

    Attributes:
        names: The classes, sorted.
        counts: Images of each (m,).
        means: Mean of the maps' means (m, k).
        deviations: Standard deviation of the maps' means over images (m, k); NaN for a single image.
        spreads: Mean of the maps' standard deviations (m, k).
        eta_squared: Share of variance that the class explains (k,); NaN where there is no variance, or one class.
        eta_squared_by_chance: Its expectation if the class explained nothing; NaN for a single image.
    """

    names: tuple[str, ...]
    counts: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    spreads: np.ndarray
    eta_squared: np.ndarray
    eta_squared_by_chance: float


def deviation(values: np.ndarray) -> np.ndarray:
    """Standard deviation (n - 1) over the first axis of (n, ...); NaN for a single value."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1)


def eta_squared(values: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """Share of a variance that groups explain: sum of squares between the groups by total sum of squares.

    Args:
        values: (n, k).
        groups: For each group, which of the n belong to it; each belongs to exactly one.

    Returns:
        (k,) in [0, 1]; NaN where the values do not differ beyond rounding, or there is one group.
    """
    centred = values - values.mean(axis=0)
    total = (centred**2).sum(axis=0)
    between = sum(group.sum() * centred[group].mean(axis=0) ** 2 for group in groups)
    rounding = len(values) * (1e-7 * np.abs(values).max(axis=0)) ** 2
    known = (total > rounding) & (len(groups) > 1)
    return np.where(known, np.clip(between / np.where(known, total, 1), 0, 1), np.nan)


def summarise_by_class(map_means: np.ndarray, map_spreads: np.ndarray, classes: Sequence[str]) -> ClassStatistics:
    """Summarise maps by class.

    Args:
        map_means: Mean of each map (n, k).
        map_spreads: Standard deviation of each map over its positions (n, k).
        classes: Class of each of the n images.

    Returns:
        The statistics.
    """
    names = sorted(set(classes))
    groups = [np.array([other == name for other in classes]) for name in names]
    return ClassStatistics(
        names=tuple(names),
        counts=np.array([int(group.sum()) for group in groups]),
        means=np.stack([map_means[group].mean(axis=0) for group in groups]),
        deviations=np.stack([deviation(map_means[group]) for group in groups]),
        spreads=np.stack([map_spreads[group].mean(axis=0) for group in groups]),
        eta_squared=eta_squared(map_means, groups),
        eta_squared_by_chance=(len(names) - 1) / (len(classes) - 1) if len(classes) > 1 else float("nan"),
    )
