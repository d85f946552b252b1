"""How alike the guidance maps of a network's units are, and how much they vary within an image."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr_arch.evaluation.map_files import read_grid
from segsr_arch.results.record import EvaluationRecord


@dataclass(frozen=True, kw_only=True)
class MapStatistics:
    """What the maps of a network are like over some images.

    Attributes:
        correlation: Of the maps of two units over the patches of an image, mean over pairs and images; ``None`` where
            no pair has one, because at least one map of each stands still.
        least: The least of these.
        deviation: Standard deviation of a map within an image, mean over units and images.
    """

    correlation: float | None
    least: float | None
    deviation: float


def map_statistics(images: Iterable[Tensor]) -> MapStatistics:
    """Measure maps.

    Args:
        images: Of each image, at least one, the maps (k, Hc, Wc) on the patch grid.
    """
    correlations, deviations = [], []
    for maps in images:
        values = maps.flatten(1).double()
        deviations += values.std(dim=1, correction=0).tolist()
        row, column = torch.triu_indices(len(values), len(values), offset=1)
        between = torch.corrcoef(values).reshape(len(values), -1)[row, column]
        correlations += between[between.isfinite()].tolist()
    return MapStatistics(
        correlation=statistics.fmean(correlations) if correlations else None,
        least=min(correlations, default=None),
        deviation=statistics.fmean(deviations),
    )


def recorded_statistics(record: EvaluationRecord) -> MapStatistics | None:
    """Measure the maps that an evaluation has kept, rounded to 16 bits.

    Returns:
        The statistics; ``None`` if no image has maps.

    Raises:
        DataError: If a file is not there, or holds something else.
    """
    kept = [row.maps for row in record.images if row.maps is not None]
    return map_statistics(read_grid(reference)[0] for reference in kept) if kept else None
