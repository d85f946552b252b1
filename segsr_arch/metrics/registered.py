"""The metrics as entries of ``METRIC_REGISTRY``, for ``val: metrics:`` of any option file.

    val:
      metrics:
        psnr:  {type: calculate_protocol_psnr, protocol: y-crop, scale: 4}
        lpips: {type: calculate_lpips, better: lower}

``img`` is the SR image and ``img2`` the ground truth, (H, W, 3), B, G, R, as BasicSR passes them with the rest of the
mapping. ``better`` is for BasicSR, which reads it elsewhere. Networks are loaded once a process, on the GPU if there is
one.

Each function has the attribute ``definition(options)``, the :class:`MetricDefinition` for a mapping of options, and
``set_metric``. A set metric also has ``features(img, img2)``, ``combine(features of all images)`` and ``reset()``: a
validation loop that knows them gathers the features, of all processes, and gets the exact figure.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.compat import registration
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.definition import CLIP_IQA_MODEL, ImageMeasure, MetricDefinition, SetMeasure
from segsr_arch.metrics.images import check_pair
from segsr_arch.metrics.lr_consistency import lr_of
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL
from segsr_arch.metrics.pyiqa_metrics import PREFIX
from segsr_arch.metrics.running_kid import RunningKid
from segsr_arch.results.record import SetValue


@cache
def _load(name: str, device: str, options: str) -> ImageMeasure | SetMeasure:
    return find_metric(name).load(device=torch.device(device), **json.loads(options))


def forget_loaded() -> None:
    """Free the networks of all metrics, and what was gathered of an unfinished set."""
    _load.cache_clear()
    _running_kid.cache_clear()


def _measure(name: str, **options: Any) -> ImageMeasure | SetMeasure:
    """The loaded metric; the same object for the same options."""
    device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    return _load(name, device, json.dumps(options, sort_keys=True))


def _register(name: str, *, set_metric: bool = False) -> Callable[[Callable], Callable]:
    """Register a function as the entry of a metric of the catalogue; ``pyiqa:`` reads the name from the options."""

    def definition(options: Mapping[str, Any]) -> MetricDefinition:
        return find_metric(f"{name}{options['metric']}" if name == PREFIX else name)

    def register(function: Callable) -> Callable:
        function.definition = definition
        function.set_metric = set_metric
        return registration.register(METRIC_REGISTRY)(function)

    return register


@_register("psnr")
def calculate_protocol_psnr(
    img: np.ndarray, img2: np.ndarray, *, scale: int, protocol: str = DEFAULT_PROTOCOL, better: str = "higher"
) -> float:
    """PSNR in dB under a named protocol."""
    return _measure("psnr", protocol=protocol)(img, img2, None, scale)


@_register("ssim")
def calculate_protocol_ssim(
    img: np.ndarray, img2: np.ndarray, *, scale: int, protocol: str = DEFAULT_PROTOCOL, better: str = "higher"
) -> float:
    """SSIM under a named protocol."""
    return _measure("ssim", protocol=protocol)(img, img2, None, scale)


@_register("lpips")
def calculate_lpips(img: np.ndarray, img2: np.ndarray, *, better: str = "lower") -> float:
    """LPIPS with AlexNet."""
    return _measure("lpips")(img, img2, None, 1)


@_register("dists")
def calculate_dists(img: np.ndarray, img2: np.ndarray, *, better: str = "lower") -> float:
    """DISTS with VGG-16."""
    return _measure("dists")(img, img2, None, 1)


@_register("ergas")
def calculate_ergas(img: np.ndarray, img2: np.ndarray, *, scale: int, better: str = "lower") -> float:
    """ERGAS with h / l = 1 / scale."""
    return _measure("ergas")(img, img2, None, scale)


@_register("sam")
def calculate_sam(img: np.ndarray, img2: np.ndarray, *, better: str = "lower") -> float:
    """SAM in radians."""
    return _measure("sam")(img, img2, None, 1)


@_register("scc")
def calculate_scc(img: np.ndarray, img2: np.ndarray, *, better: str = "higher") -> float:
    """SCC."""
    return _measure("scc")(img, img2, None, 1)


@_register("uqi")
def calculate_uqi(img: np.ndarray, img2: np.ndarray, *, better: str = "higher") -> float:
    """UQI."""
    return _measure("uqi")(img, img2, None, 1)


@_register("clip_iqa")
def calculate_clip_iqa(
    img: np.ndarray, img2: np.ndarray | None = None, *, model: str = CLIP_IQA_MODEL, better: str = "higher"
) -> float:
    """CLIP-IQA with a CLIP model of transformers, by name or local folder; the ground truth is not read."""
    return _measure("clip_iqa", clip_iqa_model=model)(img, None, None, 1)


@_register("lr_consistency")
def calculate_lr_consistency(img: np.ndarray, img2: np.ndarray, *, scale: int, better: str = "higher") -> float:
    """LR consistency in dB; BasicSR passes no LR image, so it is made of the ground truth (reduced, rounded)."""
    check_pair(img, img2, metric="lr_consistency")
    lq = lr_of(img2, scale)
    whole = img[: scale * lq.shape[0], : scale * lq.shape[1]]
    return _measure("lr_consistency")(whole, None, lq, scale)


@_register("clip_cosine")
def calculate_clip_cosine(
    img: np.ndarray, img2: np.ndarray, *, semantics: Mapping[str, Any] | None = None, better: str = "higher"
) -> float:
    """Cosine of the embeddings of SR and GT; ``semantics`` holds the keys of ``network_g: semantics:``."""
    return _measure("clip_cosine", vlm=semantics)(img, img2, None, 1)


@_register(PREFIX)
def calculate_pyiqa(
    img: np.ndarray, img2: np.ndarray | None = None, *, metric: str, better: str | None = None
) -> float:
    """Any metric of pyiqa by its name there."""
    return _measure(f"{PREFIX}{metric}")(img, img2, None, 1)


@cache
def _running_kid(images: int) -> RunningKid:
    return RunningKid(images=images)


@_register("kid", set_metric=True)
def calculate_kid(img: np.ndarray, img2: np.ndarray, *, images: int, better: str = "lower") -> float:
    """KID, by values whose mean over the ``images`` images of a validation is the figure of the set.

    A single value means nothing (see :class:`RunningKid`). A loop that knows ``set_metric`` does better with
    ``features`` and ``combine``.
    """
    running = _running_kid(images)
    return running.add(_kid_features(img, img2), img2)


def _kid_features(img: np.ndarray, img2: np.ndarray) -> np.ndarray:
    return _measure("kid").features(img, img2)


def _kid_combine(features: Sequence[np.ndarray]) -> SetValue:
    return _measure("kid").combine(features)


def _kid_reset() -> None:
    _running_kid.cache_clear()


calculate_kid.features = _kid_features
calculate_kid.combine = _kid_combine
calculate_kid.reset = _kid_reset
