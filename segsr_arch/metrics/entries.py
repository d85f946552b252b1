"""The metrics as entries of ``METRIC_REGISTRY``, for ``val: metrics:`` of any option file.

    val:
      metrics:
        psnr:  {type: calculate_protocol_psnr, protocol: y-crop, scale: 4}
        lpips: {type: calculate_lpips, better: lower}

``img`` is the SR image and ``img2`` the ground truth, (H, W, 3), B, G, R, as BasicSR passes them with the rest of the
mapping. ``better`` is for BasicSR, which reads it elsewhere. Networks are loaded once a process, on the GPU if there is
one.

An entry of a metric of whole sets has the attribute ``set_metric``, and ``features(img, img2)``, ``combine(features of
all images)`` and ``reset()``: a validation loop that knows them gathers the features, of all processes, and gets the
exact value. Functions from elsewhere may have the same.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter, Signature
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.metrics.images import check_pair
from segsr_arch.metrics.measures.lr_consistency import lr_of
from segsr_arch.metrics.metric import LoadedMetric, Metric
from segsr_arch.metrics.running_set import RunningSet
from segsr_arch.results.record import SetValue


@cache
def _load(metric: Metric, device: str, options: str) -> LoadedMetric:
    return metric.load(device=torch.device(device), options=json.loads(options))


@cache
def _running_set(metric: Metric, images: int) -> RunningSet:
    return RunningSet(metric, images=images)


def forget_loaded() -> None:
    """Free the networks of all metrics, and what was gathered of an unfinished set."""
    _load.cache_clear()
    _running_set.cache_clear()


def register_metric(metric: Metric) -> Metric:
    """Register a metric of your own under ``calculate_NAME``, as a file of ``imports:`` does; returns it.

    It is then known to ``segsr evaluate --metric NAME``, to ``val: metrics:`` and to the option check.
    """
    METRIC_REGISTRY.register(MetricEntry(metric))
    return metric


class MetricEntry:
    """A metric as BasicSR calls it; its signature, which the option check reads, is made from what the metric needs.

    It is called ``calculate_NAME``, or ``calculate_protocol_NAME`` if the metric has protocols.

    Args:
        metric: The metric.
        describe: For a family of metrics, of which the options name one: gives it.
    """

    def __init__(self, metric: Metric, *, describe: Callable[[Mapping[str, Any]], Metric] | None = None) -> None:
        self.__name__ = f"calculate_protocol_{metric.name}" if metric.per_protocol else f"calculate_{metric.name}"
        self.__doc__ = metric.description
        self.describe = describe or (lambda options: metric)
        self.set_metric = metric.whole_set
        sr, gt = (Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, annotation=np.ndarray) for name in ("img", "img2"))
        if not metric.needs_ground_truth:
            gt = gt.replace(annotation=np.ndarray | None, default=None)
        options = [_keyword("scale", int)] if metric.needs_scale else []
        options += [each.replace(kind=Parameter.KEYWORD_ONLY) for each in metric.options.values()]
        options += [_keyword("images", int)] if metric.whole_set else []
        better = _keyword("better", str).replace(default=metric.better)
        self.__signature__ = Signature([sr, gt, *options, better], return_annotation=float)
        self.__annotations__ = {each.name: each.annotation for each in self.__signature__.parameters.values()}

    def __call__(self, *args: Any, **kwargs: Any) -> float:
        """Compute the value of an image, or the part of an image in the mean that is the value of a set.

        The latter means nothing by itself (see :class:`RunningSet`).
        """
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        options = bound.arguments
        sr, gt, scale = options["img"], options["img2"], options.get("scale", 1)
        metric = self.describe(options)
        if metric.whole_set:
            running = _running_set(metric, options["images"])
            return running.add(self.features(sr, gt), gt)
        lq = None
        if metric.needs_lr:
            check_pair(sr, gt, metric=metric.name)
            lq = lr_of(gt, scale)
            sr, gt = (image[: scale * lq.shape[0], : scale * lq.shape[1]] for image in (sr, gt))
        return _loaded(metric, options)(sr, gt, lq, scale)

    def backend(self, options: Mapping[str, Any]) -> str:
        """What measures with the options of an entry of ``val: metrics:``, see :class:`LoadedMetric`."""
        known = {key: value for key, value in options.items() if key in self.__signature__.parameters}
        bound = self.__signature__.bind_partial(**known)
        bound.apply_defaults()
        return _loaded(self.describe(bound.arguments), bound.arguments).backend

    def features(self, img: np.ndarray, img2: np.ndarray) -> np.ndarray:
        """What a metric of whole sets keeps of an image pair, see :meth:`LoadedMetric.features`."""
        return _loaded(self.describe({}), {}).features(img, img2)

    def combine(self, features: Sequence[np.ndarray]) -> SetValue:
        """The value of a whole set, see :meth:`Metric.value_of_set`."""
        return self.describe({}).value_of_set(features)

    def reset(self) -> None:
        """Forget the images of unfinished validations."""
        _running_set.cache_clear()


def _loaded(metric: Metric, options: Mapping[str, Any]) -> LoadedMetric:
    """The metric, loaded once for the same options."""
    device = f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    return _load(metric, device, json.dumps({name: options[name] for name in metric.options}, sort_keys=True))


def _keyword(name: str, annotation: type) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation)
