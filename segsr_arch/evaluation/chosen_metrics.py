"""The metrics of an evaluation: which they are, and their values of one image and of a set."""

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
from segsr_arch.metrics.measures.fidelity import measure_fidelity
from segsr_arch.metrics.metric import LoadedMetric, Metric
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL, find_protocol
from segsr_arch.results.record import Column, SetValue, column_name

_FIDELITY = ("psnr", "ssim")


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What came of one image.

    Attributes:
        values: Value by column; one that could not be computed is not there.
        features: What set metrics keep of the image, by column.
        problems: Why values are missing.
    """

    values: dict[str, float]
    features: dict[str, np.ndarray]
    problems: tuple[str, ...]


def _refuse_twice(option: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ConfigError(f"{option} {' '.join(twice)}: is given twice.")


def _check_partners(chosen: Sequence[Metric], *, with_gt: bool, with_lq: bool) -> None:
    ground_truth = "ground truth; give it (--gt, with -opt dataroot_gt: of the data set)"
    for needed, present, what in (("gt", with_gt, ground_truth), ("lq", with_lq, "LR images; give them (--lq)")):
        names = [metric.name for metric in chosen if needed in metric.needs.split(" and ")]
        if names and not present:
            raise ConfigError(f"--metric {' '.join(names)}: needs {what} or choose others.")


class ChosenMetrics:
    """The metrics of an evaluation, with whatever networks they need, loaded once.

    :meth:`measure` may be called from several threads.

    Args:
        metrics: Names of metrics, such as ``psnr``, ``lpips``, or the metrics themselves.
        protocols: Names of protocols, for the metrics that depend on one.
        scale: Upscaling factor; ``None`` if it is not known.
        device: Where networks of metrics run.
        vlm: Options of the vision-language model for ``clip_cosine``; ``None`` for the defaults.
        clip_iqa_model: Name or folder of the model for ``clip_iqa``; ``None`` for the default.
        clip_iqa_weights: Tag or file of the weights for ``clip_iqa_rn50``; ``None`` for the default.
        with_gt: Whether there is ground truth.
        with_lq: Whether there are LR images.

    Attributes:
        columns: How values are told in tables, in the order asked for.

    Raises:
        ConfigError: If a name is not known, is given twice, or needs the scale.
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
        clip_iqa_weights: str | None = None,
        with_gt: bool = True,
        with_lq: bool = True,
    ) -> None:
        self._scale = scale
        self._protocols = [find_protocol(name) for name in protocols]
        chosen = [find_metric(metric) if isinstance(metric, str) else metric for metric in metrics]
        _refuse_twice("--metric", [column_name(metric.name, metric.own_protocol) for metric in chosen])
        _refuse_twice("--protocol", [protocol.name for protocol in self._protocols])
        named = [(metric, protocol) for metric in chosen for protocol in self._protocols_of(metric)]
        _refuse_twice("--metric", [column_name(metric.name, protocol) for metric, protocol in named])
        self._check_scale(chosen)
        _check_partners(chosen, with_gt=with_gt, with_lq=with_lq)
        self.columns: list[Column] = []
        self._loaded: dict[str, LoadedMetric] = {}
        # A network uses all cores by itself, and two at a time would hold two images in memory.
        self._network_lock = threading.Lock()
        asked = {"clip_cosine": {"semantics": vlm}, "clip_iqa": {"model": clip_iqa_model}}
        asked["clip_iqa_rn50"] = {"pretrained": clip_iqa_weights}
        for metric, protocol in named:
            options = {key: value for key, value in asked.get(metric.name, {}).items() if value is not None}
            name = column_name(metric.name, protocol)
            loaded = metric.load(device=device, options=options if protocol is None else {"protocol": protocol})
            self._loaded[name] = loaded
            self.columns.append(
                metric.column(name=name, protocol=protocol, better=metric.better, backend=loaded.backend)
            )

    def _protocols_of(self, metric: Metric) -> Sequence[str | None]:
        """Under what a metric is measured: the protocols asked for, the one that its own options name, or none."""
        if not metric.per_protocol:
            return (None,)
        return [protocol.name for protocol in self._protocols] if metric.own_protocol is None else [metric.own_protocol]

    def _check_scale(self, chosen: Sequence[Metric]) -> None:
        if self._scale is not None:
            return
        scaled = [protocol.name for protocol in self._protocols if protocol.border == "scale"]
        if scaled and any(metric.per_protocol for metric in chosen):
            raise ConfigError(
                f"--protocol {' '.join(scaled)}: cuts a border of the scale, which is not known; give --scale or --lq."
            )
        scaled = [metric.name for metric in chosen if metric.needs_scale and not metric.per_protocol]
        if scaled:
            raise ConfigError(
                f"--metric {' '.join(scaled)}: needs the scale, which is not known; give --scale or --lq."
            )

    def measure(self, images: Images) -> Measured:
        """Compute every value of one image.

        Args:
            images: As :func:`segsr_arch.evaluation.image_checks.check_images` gives them.

        Returns:
            Values, features of set metrics, and what is missing and why.
        """
        values = self._fidelity_at_once(images)
        features: dict[str, np.ndarray] = {}
        problems: list[str] = []
        for name, loaded in self._loaded.items():
            if name in values:
                continue
            try:
                with self._network_lock:
                    if loaded.metric.whole_set:
                        features[name] = loaded.features(images.sr, images.gt)
                        continue
                    value = loaded(images.sr, images.gt, images.lq, self._scale or 1)
            except DataError as error:
                problems.append(f"{name}: {error}" if loaded.metric.per_protocol else str(error))
                continue
            if math.isnan(value):
                problems.append(f"{name}: is not defined for this image (NaN)")
            else:
                values[name] = value
        return Measured(values=values, features=features, problems=tuple(problems))

    def _fidelity_at_once(self, images: Images) -> dict[str, float]:
        """PSNR and SSIM under all protocols, by column; nothing if one cannot be computed, so that each is tried."""
        names = [name for name in _FIDELITY if any(each.metric.name == name for each in self._loaded.values())]
        if not names:
            return {}
        fidelity = [column for column in self.columns if column.metric in names]
        used = dict.fromkeys(column.protocol for column in fidelity if column.protocol is not None)
        try:
            found = measure_fidelity(
                images.sr,
                images.gt,
                scale=self._scale or 1,
                protocols=[find_protocol(name) for name in used],
                with_ssim="ssim" in names,
            )
        except DataError:
            return {}
        values = {
            column_name(name, protocol): getattr(each, name) for protocol, each in found.items() for name in names
        }
        return {name: value for name, value in values.items() if name in self._loaded}

    def combine(self, measured: Sequence[Measured]) -> tuple[dict[str, SetValue], list[str]]:
        """Compute the values of the whole set; returns them by column, and why one is missing."""
        found, problems = {}, []
        for name, loaded in self._loaded.items():
            if not loaded.metric.whole_set:
                continue
            try:
                found[name] = loaded.metric.value_of_set(
                    [each.features[name] for each in measured if name in each.features]
                )
            except DataError as error:
                problems.append(str(error))
        return found, problems
