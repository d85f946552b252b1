"""What is known of a metric before it is loaded, and the loaded metric."""

import dataclasses
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from segsr_arch.errors import DataError, DependencyError
from segsr_arch.metrics.images import ImageForm, check_image, check_pair, in_form
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL, find_protocol
from segsr_arch.results.record import Column, SetValue

Compute = Callable[..., Any]  # (SR[, partner][, scale=]) -> value; of a set metric (one image) -> features (d,)
Loader = Callable[..., tuple[str, Compute]]
Better = Literal["higher", "lower"]
Needs = Literal["gt", "gt if given", "lq", "gt and lq", "nothing"]


def plain(compute: Compute, *, backend: str) -> Loader:
    """Make the loader of a metric that needs no weights and has no options."""

    def load(*, device: torch.device) -> tuple[str, Compute]:
        return backend, compute

    return load


@dataclass(frozen=True, kw_only=True, eq=False)
class Metric:
    """One metric.

    Attributes:
        name: Name in commands and tables.
        title: Name in figures and headings.
        better: Which values are better.
        description: One or two sentences: what it is, its range, where it is undefined.
        source: Publication.
        unit: ``dB``, ``rad`` or nothing.
        decimals: Decimals that are printed.
        needs: What is compared with the SR image: the ground truth, the ground truth where there is one, the LR input,
            both, or nothing.
        reads: How the images are handed over, see :data:`segsr_arch.metrics.images.ImageForm`.
        needs_scale: Whether the upscaling factor is handed over, as ``scale=``.
        smallest_side: Least height and width in pixels, after the crop of a protocol.
        smallest_long_side: Least length of the longer side, where it must be more.
        trial_side: Side of the random images that the option check tries the metric on.
        package: Optional package that it needs, by the name of its import, and
        extra: the extra of this distribution that brings it.
        licence_notice: What a user has to know of the licence; ``None`` where it is as free as this package.
        loader: Called with ``device=`` and the metric's own options, which are its other parameters; returns the
            backend (library with version, and model: what a value has to name) and the function that computes.
        combine: For a metric of a whole set: the value from the features (n, d) of all SR images and of all GT images,
            n at least 2; the function that the loader returns then gives the features (d,) of one image. Such a metric
            has no options of its own: validation loops gather features without any.
        running: Where ``combine`` would be slow to repeat after every image: makes a function that takes the features
            (2, d) of one image pair after the other and returns n times the value of the n so far (0 for n = 1).
    """

    name: str
    title: str
    better: Better
    description: str
    source: str = ""
    unit: str = ""
    decimals: int = 4
    needs: Needs = "gt"
    reads: ImageForm = "stored"
    needs_scale: bool = False
    smallest_side: int = 1
    smallest_long_side: int = 1
    trial_side: int = 32
    package: str | None = None
    extra: str | None = None
    licence_notice: str | None = None
    loader: Loader
    combine: Callable[[np.ndarray, np.ndarray], SetValue] | None = None
    running: Callable[[], Callable[[np.ndarray], float]] | None = None

    def __post_init__(self) -> None:
        """Refuse what would not take effect."""
        if self.whole_set and self.options:
            raise TypeError(f"{self.name}: a metric of whole sets cannot have options: {', '.join(self.options)}.")

    @functools.cached_property
    def options(self) -> Mapping[str, inspect.Parameter]:
        """The metric's own options: the loader's parameters by name, without the device."""
        parameters = inspect.signature(self.loader, eval_str=True).parameters
        return {name: parameter for name, parameter in parameters.items() if name != "device"}

    @property
    def per_protocol(self) -> bool:
        """Whether the value depends on a protocol (:mod:`segsr_arch.metrics.protocols`)."""
        return "protocol" in self.options

    @property
    def own_protocol(self) -> str | None:
        """The protocol that its options name (:meth:`with_options`), if they name one."""
        given = self.loader.keywords if isinstance(self.loader, functools.partial) else {}
        return given.get("protocol")

    @property
    def needs_ground_truth(self) -> bool:
        """Whether BasicSR's loops need a ground truth for it; LR images, which they lack, are made of it."""
        return self.needs in ("gt", "lq", "gt and lq")

    @property
    def needs_lr(self) -> bool:
        """Whether it compares with the LR input."""
        return self.needs in ("lq", "gt and lq")

    @property
    def whole_set(self) -> bool:
        """Whether it gives one value for all images together, not one an image."""
        return self.combine is not None

    def with_options(self, options: Mapping[str, Any]) -> "Metric":
        """The metric with other defaults of its own options; keys that are not its own are left out."""
        own = {key: value for key, value in options.items() if key in self.options}
        return dataclasses.replace(self, loader=functools.partial(self.loader, **own)) if own else self

    def smallest_size(self, options: Mapping[str, Any]) -> tuple[int, int]:
        """Give the size of the smallest images that it can be computed of.

        Args:
            options: Its options, as under ``val: metrics:``.

        Returns:
            Least short and least long side in pixels, before the crop of a protocol.

        Raises:
            ConfigError: If the protocol is not known.
        """
        side = self.smallest_side
        if self.per_protocol:
            side = find_protocol(options.get("protocol", DEFAULT_PROTOCOL)).smallest_side(options["scale"], side)
        return side, max(side, self.smallest_long_side)

    def value_of_set(self, features: Sequence[np.ndarray]) -> SetValue:
        """Compute the value of a set, for a metric of whole sets.

        Args:
            features: What :meth:`LoadedMetric.features` gave for every pair of the set.

        Returns:
            The value, its standard deviation where there is one, and n.

        Raises:
            DataError: If there are fewer than two pairs.
        """
        assert self.combine is not None, f"{self.name} gives one value an image"
        if len(features) < 2:
            raise DataError(f"{self.name}: needs at least 2 image pairs, got {len(features)}.")
        both = np.stack(features)
        return self.combine(both[:, 0], both[:, 1])

    def column(self, *, name: str, protocol: str | None, better: str, backend: str) -> Column:
        """Describe the column of a table that holds its values under some protocol, computed by a backend."""
        return Column(
            name=name,
            metric=self.name,
            protocol=protocol,
            better=better,
            unit=self.unit,
            decimals=self.decimals,
            backend=backend,
            label=self.title,
        )

    def load(self, *, device: torch.device, options: Mapping[str, Any] | None = None) -> "LoadedMetric":
        """Load the metric with the networks that it needs, once for many images.

        Args:
            device: Where networks run; metrics without one run on the processor.
            options: Values of :attr:`options`; those that are missing have their defaults.

        Returns:
            The loaded metric.

        Raises:
            ConfigError: If an option is wrong.
            DependencyError: If a package is missing.
            WeightsError: If weights cannot be had or read.
        """
        if self.package is not None:
            try:
                importlib.import_module(self.package)
            except ImportError as error:
                raise DependencyError(
                    f"{self.name}: needs {self.package.replace('_', '-')} ({error}). Install it with: pip install "
                    f"'segsr-arch[{self.extra}]'"
                ) from error
        backend, compute = self.loader(device=device, **(options or {}))
        return LoadedMetric(metric=self, device=device, backend=backend, compute=compute)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedMetric:
    """A metric that can be computed: call it for one value an image, or gather the ``features`` of a set.

    The features of an image do not depend on the other images, so processes may share the images of a set and gather
    the features. Their order only matters for ``std``.

    Attributes:
        metric: Which metric it is.
        device: Where its networks run.
        backend: Library with version, and model.
        compute: What the loader returned, for images that have been checked and are in the form that it reads.
    """

    metric: Metric
    device: torch.device
    backend: str
    compute: Compute

    def __call__(self, sr: np.ndarray, gt: np.ndarray | None, lq: np.ndarray | None, scale: int) -> float:
        """Measure one image.

        Args:
            sr: Super-resolved image (H, W, 3), B, G, R, uint8 or uint16.
            gt: Ground truth of the same size and depth; read if ``metric.needs`` it.
            lq: LR input of the same depth; read if ``metric.needs`` it.
            scale: Super-resolution factor.

        Returns:
            The value; NaN or infinite only where the description says so.

        Raises:
            DataError: If the images do not fit together, are too small, or one that is needed is missing.
        """
        return float(self.compute(*self._prepared(sr, gt, lq), **({"scale": scale} if self.metric.needs_scale else {})))

    def features(self, sr: np.ndarray, gt: np.ndarray | None) -> np.ndarray:
        """Extract what a metric of a whole set keeps of one image pair.

        Args:
            sr: Super-resolved image (H, W, 3), B, G, R, uint8 or uint16.
            gt: Ground truth of the same size and depth.

        Returns:
            (2, d) float32: features of the SR image, then of the GT image.

        Raises:
            DataError: If the images do not fit together or are too small.
        """
        return np.stack([self.compute(image) for image in self._prepared(sr, gt, None)]).astype(np.float32)

    def _prepared(
        self, sr: np.ndarray, gt: np.ndarray | None, lq: np.ndarray | None
    ) -> list[np.ndarray | torch.Tensor]:
        """Check the images that the metric looks at, the SR image first, and bring them into the form that it reads."""
        name, needs = self.metric.name, self.metric.needs
        side = 1 if self.metric.per_protocol else self.metric.smallest_side  # what a crop must leave, it tells itself
        images = [sr]
        if needs in ("gt", "gt if given", "gt and lq") and gt is not None:
            check_pair(sr, gt, metric=name, smallest_side=side)
            images.append(gt)
        elif needs in ("gt", "gt and lq"):
            raise DataError(f"{name}: needs a ground truth image to compare with.")
        else:
            check_image(sr, metric=name, which="SR", smallest_side=side)
        if self.metric.needs_lr:
            if lq is None:
                raise DataError(f"{name}: needs the LR input to compare with.")
            check_image(lq, metric=name, which="LQ")
            images.append(lq)
        return [in_form(image, self.metric.reads, self.device) for image in images]
