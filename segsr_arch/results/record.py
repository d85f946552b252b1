"""One method on one data set: the values of each image, and what is computed from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from segsr_arch.results.classes import NO_CLASS
from segsr_arch.results.references import ImageReference
from segsr_arch.results.spread import Spread
from segsr_arch.results.statistics import Mean, mean_with_interval


@dataclass(frozen=True, kw_only=True)
class Column:
    """A kind of value, computed in one way.

    Attributes:
        name: Its name in files, for instance ``psnr_y-crop``.
        metric: The metric's name, ``psnr``.
        protocol: The protocol's name, ``y-crop``; ``None`` for a metric that has none.
        better: ``higher`` or ``lower``.
        unit: ``dB``, ``rad`` or ``""``.
        decimals: With how many digits after the point people print it.
        backend: Which library and version computed it, with which weights.
        label: What people call the metric; derived from its name if not given.
    """

    name: str
    metric: str
    protocol: str | None = None
    better: str = "higher"
    unit: str = ""
    decimals: int = 4
    backend: str = ""
    label: str = ""

    @property
    def title(self) -> str:
        """What people read: ``PSNR (y-crop), dB``."""
        label = self.label or self.metric.upper()
        protocol = f" ({self.protocol})" if self.protocol else ""
        return f"{label}{protocol}{', ' + self.unit if self.unit else ''}"

    def is_same_figure(self, other: "Column") -> bool:
        """Whether both are one figure, computed in the same way: a protocol says all of that, the backend otherwise."""
        ways = [column.protocol or (column.backend,) for column in (self, other)]
        return (self.name, self.metric, self.better) == (other.name, other.metric, other.better) and ways[0] == ways[1]


@dataclass(frozen=True, kw_only=True)
class ImageRow:
    """One image.

    Attributes:
        name: Name without ending, with forward slashes.
        class_name: Its class, ``""`` if it has none.
        values: Value by column name; a value that could not be computed is not there. Never NaN.
        sr: The method's image.
        gt: Ground truth.
        lq: Low-resolution input.
        maps: Guidance maps as a ``.npz`` file with ``maps``: (k, Hc, Wc) float16, cosines in [-1, 1] on the patch
            grid, and ``cells_per_pixel``: the side of an LR pixel in cells of that grid.
        gt_digest: Pixel digest of the ground truth (:func:`segsr_arch.results.provenance.pixel_digest`).
        spread: Where a network drew several samples, how far they lie apart; ``values`` are the means over them, and
            ``sr`` is the first.
    """

    name: str
    class_name: str = NO_CLASS
    values: Mapping[str, float] = field(default_factory=dict)
    sr: ImageReference | None = None
    gt: ImageReference | None = None
    lq: ImageReference | None = None
    maps: ImageReference | None = None
    gt_digest: str | None = None
    spread: Spread | None = None


@dataclass(frozen=True, kw_only=True)
class SetValue:
    """A value of a whole set of images, such as KID.

    Attributes:
        value: What was computed.
        std: Its standard deviation over subsets, if known; of a network that drew samples, over these.
        n: Number of images.
    """

    value: float
    std: float | None
    n: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one pass of a network costs.

    Attributes:
        parameters: All parameters, frozen ones included.
        trainable: Those that were trained.
        macs: Multiply-accumulates of one LR image of ``lr_size``; ``None`` if not counted.
        seconds: Median time of one such image; ``None`` if not measured.
        lr_size: Height and width of that image, in pixels.
        device: On what ``seconds`` was measured.
        memory: Bytes that such a pass holds at most beyond weights and image; ``None`` if not measured. See
            :func:`~segsr_arch.inference.pass_memory.pass_memory`.
    """

    parameters: int
    trainable: int
    macs: int | None
    seconds: float | None
    lr_size: tuple[int, int]
    device: str
    memory: int | None = None


def column_name(metric: str, protocol: str | None) -> str:
    """Name a column in files: ``psnr_y-crop``, or ``lpips``, which has no protocol."""
    return metric if protocol is None else f"{metric}_{protocol}"


def scale_title(scale: int | None, *, sign: str = "x") -> str:
    """Name a scale for people: ``x4``; that of others' images may be unknown."""
    return "scale unknown" if scale is None else f"{sign}{scale}"


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """One method on one data set.

    Attributes:
        method: Name of the method.
        dataset: Name of the data set.
        scale: Upscaling factor; ``None`` if images of others were measured and nobody said.
        columns: What was computed.
        images: The images, in the order of their names.
        set_values: Values of the whole set, by column name.
        problems: Lines about images or values that were left out.
        cost: Cost of the network, if it ran here.
        iteration: Training iteration, if this is a validation.
        provenance: Where the values come from; see :mod:`segsr_arch.results.provenance`.
        options: Text of the option file, if there was one.
        samples: How many samples of each image a network drew; 1 if it does not, or was not asked to.
    """

    method: str
    dataset: str
    scale: int | None
    columns: tuple[Column, ...] = ()
    images: tuple[ImageRow, ...] = ()
    set_values: Mapping[str, SetValue] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    cost: Cost | None = None
    iteration: int | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    options: str | None = None
    samples: int = 1

    def column(self, name: str) -> Column:
        """Find a column by its name.

        Raises:
            KeyError: If there is none; the known ones are named.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{name} is no column of {self.method} on {self.dataset}; there are {self.column_names}")

    def named_by_protocols(self) -> "EvaluationRecord":
        """Name the columns of a protocol by it, whatever ``val: metrics:`` calls them.

        Returns:
            The same values as ``psnr_y-crop`` and the like; the record itself where two columns would have one name.
        """
        names = {
            each.name: column_name(each.metric, each.protocol) if each.protocol else each.name for each in self.columns
        }
        if len(set(names.values())) < len(names):
            return self
        return replace(
            self,
            columns=tuple(replace(each, name=names[each.name]) for each in self.columns),
            images=tuple(
                replace(
                    row,
                    values={names[name]: value for name, value in row.values.items()},
                    spread=row.spread and row.spread.renamed(names),
                )
                for row in self.images
            ),
        )

    @property
    def column_names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def values(self, column: str) -> dict[str, float]:
        """Values of a column by image name, of the images that have one."""
        return {row.name: row.values[column] for row in self.images if column in row.values}

    def stds(self, column: str) -> dict[str, float]:
        """Standard deviations of a column over samples by image name, of the images that have one."""
        return {
            row.name: row.spread.values[column] for row in self.images if row.spread and column in row.spread.values
        }

    @cached_property
    def summary(self) -> dict[str, Mean]:
        """Mean with interval by column, of the columns that have a value."""
        found = {column.name: list(self.values(column.name).values()) for column in self.columns}
        return {name: mean_with_interval(values) for name, values in found.items() if values}

    @cached_property
    def spreads(self) -> dict[str, float]:
        """Standard deviation over the samples of an image by column, averaged over the images that have one."""
        found: dict[str, list[float]] = {}
        for row in self.images:
            for name, value in (row.spread.values if row.spread else {}).items():
                found.setdefault(name, []).append(value)
        return {name: math.fsum(values) / len(values) for name, values in found.items()}

    @cached_property
    def class_summary(self) -> dict[str, dict[str, Mean]]:
        """Mean with interval by class and column; images without a class are not in it."""
        found: dict[str, dict[str, list[float]]] = {}
        for row in self.images:
            if row.class_name != NO_CLASS:
                columns = found.setdefault(row.class_name, {})
                for name, value in row.values.items():
                    columns.setdefault(name, []).append(value)
        return {
            class_name: {name: mean_with_interval(values) for name, values in columns.items()}
            for class_name, columns in sorted(found.items())
        }
