"""Which figures are computed, and computing them for one image; PSNR and SSIM under every protocol at once."""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.image_checks import Images
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.fidelity import measure_fidelity
from segsr_arch.metrics.metric import LoadedMetric, Metric
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL, Protocol, find_protocol
from segsr_arch.results.record import Column, SetValue

_FIDELITY = ("psnr", "ssim")


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What came of one image.

    Attributes:
        values: Value by column; a figure that could not be computed is not there.
        features: What set metrics keep of the image, by column.
        problems: Why figures are missing.
    """

    values: dict[str, float]
    features: dict[str, np.ndarray]
    problems: tuple[str, ...]


def _refuse_twice(option: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ConfigError(f"{option} {' '.join(twice)}: is given twice.")


def _check_partners(definitions: Sequence[Metric], *, with_gt: bool, with_lq: bool) -> None:
    for needed, present, what in (("gt", with_gt, "ground truth"), ("lq", with_lq, "LR images")):
        names = [definition.name for definition in definitions if definition.needs == needed]
        if names and not present:
            raise ConfigError(f"--metric {' '.join(names)}: needs {what}; give them (--{needed}) or choose others.")


class FiguresOfMerit:
    """The figures of an evaluation, with whatever networks they need, loaded once.

    :meth:`measure` may be called from several threads.

    Args:
        metrics: Names of metrics, such as ``psnr``, ``lpips``, or their definitions.
        protocols: Names of protocols, for the metrics that depend on one.
        scale: Upscaling factor; ``None`` if it is not known.
        device: Where networks of metrics run.
        vlm: Options of the vision-language model for ``clip_cosine``; ``None`` for the defaults.
        clip_iqa_model: Name or folder of the model for ``clip_iqa``; ``None`` for the default.
        with_gt: Whether there is ground truth.
        with_lq: Whether there are LR images.

    Attributes:
        columns: The figures, in the order asked for.

    Raises:
        ConfigError: If a name is not known, is given twice, or a figure needs the scale.
        DependencyError: If a package is missing.
        WeightsError: If weights cannot be had.
    """

    def __init__(
        self,
        *,
        metrics: Sequence[str | Metric] = _FIDELITY,
        protocols: Sequence[str] = (DEFAULT_PROTOCOL,),
        scale: int | None,
        device: torch.device,
        vlm: Any = None,
        clip_iqa_model: str | None = None,
        with_gt: bool = True,
        with_lq: bool = True,
    ) -> None:
        self._scale = scale
        self._protocols = [find_protocol(name) for name in protocols]
        definitions = [find_metric(metric) if isinstance(metric, str) else metric for metric in metrics]
        _refuse_twice("--metric", [definition.name for definition in definitions])
        _refuse_twice("--protocol", [protocol.name for protocol in self._protocols])
        self._check_scale(definitions)
        _check_partners(definitions, with_gt=with_gt, with_lq=with_lq)
        self.columns: list[Column] = []
        self._fidelity = [definition.name for definition in definitions if definition.name in _FIDELITY]
        self._measures: dict[str, LoadedMetric] = {}
        # A network uses all cores by itself, and two at a time would hold two images in memory.
        self._network_lock = threading.Lock()
        asked = {"semantics": vlm, "model": clip_iqa_model}
        for definition in definitions:
            options = {key: value for key, value in asked.items() if key in definition.options and value is not None}
            for protocol in (each.name for each in self._protocols) if definition.per_protocol else (None,):
                measure = definition.load(device=device, options={"protocol": protocol} if protocol else options)
                name = f"{definition.name}_{protocol}" if protocol else definition.name
                self.columns.append(
                    definition.column(name=name, protocol=protocol, better=definition.better, backend=measure.backend)
                )
                if protocol is None:
                    self._measures[name] = measure

    def _check_scale(self, definitions: Sequence[Metric]) -> None:
        if self._scale is not None:
            return
        scaled = [protocol.name for protocol in self._protocols if protocol.border == "scale"]
        if scaled and any(definition.per_protocol for definition in definitions):
            raise ConfigError(
                f"--protocol {' '.join(scaled)}: cuts a border of the scale, which is not known; give --scale or --lq."
            )
        scaled = [
            definition.name for definition in definitions if definition.needs_scale and not definition.per_protocol
        ]
        if scaled:
            raise ConfigError(
                f"--metric {' '.join(scaled)}: needs the scale, which is not known; give --scale or --lq."
            )

    def measure(self, images: Images) -> Measured:
        """Compute every figure of one image.

        Args:
            images: As :func:`segsr_arch.evaluation.image_checks.check_images` gives them.

        Returns:
            Values, features of set metrics, and what is missing and why.
        """
        values: dict[str, float] = {}
        features: dict[str, np.ndarray] = {}
        problems: list[str] = []
        if self._fidelity:
            values, problems = self._measure_fidelity(images)
        for name, measure in self._measures.items():
            try:
                with self._network_lock:
                    if measure.metric.whole_set:
                        features[name] = measure.features(images.sr, images.gt)
                        continue
                    value = measure(images.sr, images.gt, images.lq, self._scale or 1)
            except DataError as error:
                problems.append(str(error))
                continue
            if math.isnan(value):
                problems.append(f"{name}: is not defined for this image (NaN)")
            else:
                values[name] = value
        return Measured(values=values, features=features, problems=tuple(problems))

    def _measure_fidelity(self, images: Images) -> tuple[dict[str, float], list[str]]:
        """PSNR and SSIM by column; if one cannot be computed, the others are computed one by one."""

        def compute(protocols: Sequence[Protocol], metrics: Sequence[str]) -> dict[str, float]:
            found = measure_fidelity(
                images.sr,
                images.gt,
                scale=self._scale or 1,
                protocols=protocols,
                with_ssim="ssim" in metrics,
            )
            return {f"{metric}_{name}": getattr(each, metric) for name, each in found.items() for metric in metrics}

        try:
            return compute(self._protocols, self._fidelity), []
        except DataError:
            pass  # whatever is wrong comes up again below, for the figure that it concerns
        values, problems = {}, []
        for protocol in self._protocols:
            for metric in self._fidelity:
                try:
                    values |= compute([protocol], [metric])
                except DataError as error:
                    problems.append(f"{metric}_{protocol.name}: {error}")
        return values, problems

    def combine(self, measured: Sequence[Measured]) -> tuple[dict[str, SetValue], list[str]]:
        """Compute the figures of the whole set; returns them by column, and why one is missing."""
        found, problems = {}, []
        for name, measure in self._measures.items():
            if not measure.metric.whole_set:
                continue
            try:
                found[name] = measure.metric.value_of_set(
                    [each.features[name] for each in measured if name in each.features]
                )
            except DataError as error:
                problems.append(str(error))
        return found, problems
