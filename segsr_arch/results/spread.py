"""How far the samples that a network drew of one image lie apart."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from segsr_arch.results.references import ImageReference


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The samples of one image.

    Attributes:
        values: Standard deviation of each figure over the samples, by column name; infinite figures have none.
        map: A ``.npz`` file with ``spread``: (sH, sW) float16, the standard deviation over the samples in [0, 1],
            averaged over channels.
        correlation: Rank correlation (Spearman) of that map with the absolute error of the samples' mean; ``None``
            without ground truth, or where one of the two is flat.
        gradient_correlation: That of the gradient of the samples' mean, which any image has without sampling.
        coverage: Share of values of the ground truth within one standard deviation of the samples' mean; ``None``
            without ground truth.
    """

    values: Mapping[str, float]
    map: ImageReference | None = None
    correlation: float | None = None
    gradient_correlation: float | None = None
    coverage: float | None = None

    def renamed(self, names: Mapping[str, str]) -> "Spread":
        """The same with other names of columns; ``names`` has one for each."""
        return replace(self, values={names[name]: value for name, value in self.values.items()})
