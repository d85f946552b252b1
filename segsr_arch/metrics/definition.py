"""What is known of a metric before it is loaded, and the two kinds of loaded metrics."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from segsr_arch.errors import DataError
from segsr_arch.metrics.images import check_image, check_pair
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL
from segsr_arch.results.record import SetValue
from segsr_arch.semantics.config import SemanticsConfig

CLIP_IQA_MODEL = "openai/clip-vit-base-patch16"


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What loading a metric can depend on; each metric reads its own part.

    Attributes:
        device: Where networks run.
        protocol: Protocol of ``psnr`` and ``ssim``.
        semantics: Vision-language model of ``clip_cosine``: the same options as under ``network_g: semantics:``.
        clip_iqa_model: Name or local folder of the model of ``clip_iqa``.
    """

    device: torch.device
    protocol: str = DEFAULT_PROTOCOL
    semantics: SemanticsConfig
    clip_iqa_model: str = CLIP_IQA_MODEL


# (SR, GT or None, LQ or None, scale) -> value
Compute = Callable[[np.ndarray, np.ndarray | None, np.ndarray | None, int], float]


@dataclass(frozen=True, kw_only=True)
class LoadedImageMetric:
    """What the loader of an image metric returns.

    Attributes:
        backend: Library with version, and model: what a figure has to name.
        compute: The metric, on images that have been checked.
    """

    backend: str
    compute: Compute


@dataclass(frozen=True, kw_only=True)
class LoadedSetMetric:
    """What the loader of a set metric returns.

    Attributes:
        backend: Library with version, and model: what a figure has to name.
        extract: Features (d,) float32 of one image.
        combine: The figure from the features (n, d) of all SR images and of all GT images.
    """

    backend: str
    extract: Callable[[np.ndarray], np.ndarray]
    combine: Callable[[np.ndarray, np.ndarray], SetValue]


@dataclass(frozen=True, kw_only=True)
class MetricDefinition:
    """One metric.

    Attributes:
        name: Name in commands and tables.
        title: Name in figures and headings.
        better: Which values are better.
        unit: ``dB``, ``rad`` or nothing.
        decimals: Decimals that are printed.
        needs: What is compared with the SR image: the ground truth, the LR input, or nothing.
        per_protocol: Whether the figure depends on a protocol (:mod:`segsr_arch.metrics.protocols`).
        kind: ``image``: one value an image; ``set``: one value for all images together.
        smallest_side: Least height and width in pixels, after the crop of a protocol.
        trial_side: Side of the random images that the option check tries the metric on.
        description: One or two sentences: what it is, its source, where it is undefined.
        licence_notice: What a user has to know of the licence; ``None`` where it is as free as this package.
        loader: Loads what the metric needs.
    """

    name: str
    title: str
    better: Literal["higher", "lower"]
    unit: str = ""
    decimals: int = 4
    needs: Literal["gt", "lq", "nothing"] = "gt"
    per_protocol: bool = False
    kind: Literal["image", "set"] = "image"
    smallest_side: int = 1
    trial_side: int = 32
    description: str
    licence_notice: str | None = None
    loader: Callable[[LoadOptions], LoadedImageMetric | LoadedSetMetric]

    def load(
        self,
        *,
        device: torch.device,
        vlm: SemanticsConfig | Mapping[str, Any] | None = None,
        protocol: str = DEFAULT_PROTOCOL,
        clip_iqa_model: str = CLIP_IQA_MODEL,
    ) -> "ImageMeasure | SetMeasure":
        """Load the metric with the networks that it needs, once for many images.

        Args:
            device: Where networks run; metrics without one run on the processor.
            vlm: Vision-language model of ``clip_cosine``; ``None`` for the defaults of ``semantics:``.
            protocol: Protocol of ``psnr`` and ``ssim``.
            clip_iqa_model: Name or local folder of the model of ``clip_iqa``.

        Returns:
            An :class:`ImageMeasure` or :class:`SetMeasure`, according to ``kind``.

        Raises:
            ConfigError: If an option is wrong.
            DependencyError: If a package is missing.
            WeightsError: If weights cannot be had or read.
        """
        semantics = SemanticsConfig.from_options(vlm)
        options = LoadOptions(device=device, protocol=protocol, semantics=semantics, clip_iqa_model=clip_iqa_model)
        loaded = self.loader(options)
        if isinstance(loaded, LoadedSetMetric):
            return SetMeasure(definition=self, loaded=loaded)
        return ImageMeasure(definition=self, loaded=loaded)


@dataclass(frozen=True, kw_only=True)
class ImageMeasure:
    """A loaded metric that gives one value an image.

    Attributes:
        definition: Which metric it is.
        loaded: How it is computed.
    """

    definition: MetricDefinition
    loaded: LoadedImageMetric

    @property
    def backend(self) -> str:
        """Library with version, and model."""
        return self.loaded.backend

    def __call__(self, sr: np.ndarray, gt: np.ndarray | None, lq: np.ndarray | None, scale: int) -> float:
        """Measure one image.

        Args:
            sr: Super-resolved image (H, W, 3), B, G, R, uint8 or uint16.
            gt: Ground truth of the same size and depth; read if ``definition.needs`` is ``gt``.
            lq: LR input of the same depth; read if ``definition.needs`` is ``lq``.
            scale: Super-resolution factor.

        Returns:
            The value; NaN or infinite only where the description says so.

        Raises:
            DataError: If the images do not fit together, are too small, or one that is needed is missing.
        """
        _check_inputs(self.definition, sr, gt, lq)
        return float(self.loaded.compute(sr, gt, lq, scale))


@dataclass(frozen=True, kw_only=True)
class SetMeasure:
    """A loaded metric that gives one value for a set: features image by image, which are combined in the end.

    The features of an image do not depend on the other images, so processes may share the images and gather the
    features. The order of the images only matters for ``std``.

    Attributes:
        definition: Which metric it is.
        loaded: How it is computed.
    """

    definition: MetricDefinition
    loaded: LoadedSetMetric

    @property
    def backend(self) -> str:
        """Library with version, and model."""
        return self.loaded.backend

    def features(self, sr: np.ndarray, gt: np.ndarray) -> np.ndarray:
        """Extract what is kept of one image pair.

        Args:
            sr: Super-resolved image (H, W, 3), B, G, R, uint8 or uint16.
            gt: Ground truth of the same size and depth.

        Returns:
            (2, d) float32: features of the SR image, then of the GT image.

        Raises:
            DataError: If the images do not fit together or are too small.
        """
        _check_inputs(self.definition, sr, gt, None)
        return np.stack([self.loaded.extract(sr), self.loaded.extract(gt)]).astype(np.float32)

    def combine(self, features: Sequence[np.ndarray]) -> SetValue:
        """Compute the figure.

        Args:
            features: What :meth:`features` gave for every pair of the set.

        Returns:
            The figure, its standard deviation where there is one, and n.

        Raises:
            DataError: If there are fewer than two pairs.
        """
        if len(features) < 2:
            raise DataError(f"{self.definition.name}: needs at least 2 image pairs, got {len(features)}.")
        both = np.stack(features)
        return self.loaded.combine(both[:, 0], both[:, 1])


def _check_inputs(definition: MetricDefinition, sr: np.ndarray, gt: np.ndarray | None, lq: np.ndarray | None) -> None:
    if definition.needs == "gt":
        if gt is None:
            raise DataError(f"{definition.name}: needs a ground truth image to compare with.")
        check_pair(sr, gt, metric=definition.name, smallest_side=definition.smallest_side)
        return
    check_image(sr, metric=definition.name, which="SR", smallest_side=definition.smallest_side)
    if definition.needs == "lq":
        if lq is None:
            raise DataError(f"{definition.name}: needs the LR input to compare with.")
        check_image(lq, metric=definition.name, which="LQ")
