"""Checks of ``val: metrics:``; each metric is computed once, on two small random images."""

import copy
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from segsr_arch.config.calls import check_call, find_registered
from segsr_arch.config.mappings import check_mapping
from segsr_arch.config.problems import Problems, join_path
from segsr_arch.config.tables import METRIC, METRIC_PARAMETERS
from segsr_arch.config.trials import reported
from segsr_arch.metrics.registered import describe as describe_metric
from segsr_arch.option_keys import describe, is_whole

_IMAGES = ("img", "img2")


def check_metrics(problems: Problems, metrics: Any, scale: Any = None) -> None:
    """Check that each metric is registered, takes the options given, and gives a number.

    Metrics of this package also say which values are better, which BasicSR only knows from the option file.

    Args:
        problems: Where problems go.
        metrics: The section; null means no metrics.
        scale: Scale of the run, which that of a metric must agree with; ``None`` where it is not known.
    """
    for name, options in metrics.items() if isinstance(metrics, Mapping) else ():
        path = join_path("val", "metrics", str(name))
        if not isinstance(options, Mapping):
            problems.add(path, f"expected a mapping with the key type, got {describe(options)}")
            continue
        before = len(problems.lines)
        metric = _find(problems, path, options)
        check_mapping(problems, path, options, METRIC, strict=False)
        if metric is None:
            continue
        # the images come from the model; stock metrics take **kwargs and never look into it
        ours = metric.__module__.split(".")[0] in ("basicsr", "segsr_arch")
        images = [name for name in inspect.signature(metric).parameters if name in _IMAGES]
        check_call(problems, path, options, metric, also_known=METRIC, given=images, kwargs_is_sink=ours)
        if ours:
            told = {line.split(": ")[0] for line in problems.lines[before:]}
            rest = {name: value for name, value in options.items() if join_path(path, str(name)) not in told}
            check_mapping(problems, path, rest, METRIC_PARAMETERS, strict=False)
        if len(problems.lines) == before and is_whole(scale) and options.get("scale", scale) != scale:
            problems.add(join_path(path, "scale"), f"is {options['scale']}, but scale: is {scale}")
        if len(problems.lines) == before:
            _try_metric(problems, path, options, metric, ours=ours)


def _find(problems: Problems, path: str, options: Mapping[str, Any]) -> Callable | None:
    from basicsr.utils.registry import METRIC_REGISTRY

    return find_registered(problems, join_path(path, "type"), METRIC_REGISTRY, options.get("type"))


def _try_metric(problems: Problems, path: str, options: Mapping[str, Any], metric: Callable, *, ours: bool) -> None:
    from basicsr.metrics import calculate_metric

    before = len(problems.lines)
    with reported(problems, path, "cannot be computed"):
        known = describe_metric(options)
        if ours:
            _check_better(problems, path, options, known.better)
        border = 2 * options.get("crop_border", 0) if is_whole(options.get("crop_border", 0)) else 0
        side = max(known.trial_side + border, *known.smallest_size(options))
    if len(problems.lines) > before:
        return
    random = np.random.default_rng(0)
    images = {name: random.integers(0, 256, (side, side, 3), dtype=np.uint8) for name in _IMAGES}
    with reported(problems, path, f"cannot be computed, tried on two {side} x {side} images"):
        value = float(calculate_metric(images, copy.deepcopy(dict(options))))
        if math.isnan(value):
            problems.add(path, f"is not a number (NaN), tried on two random {side} x {side} images; check its options")
    if getattr(metric, "set_metric", False):
        metric.reset()


def _check_better(problems: Problems, path: str, options: Mapping[str, Any], better: str) -> None:
    """BasicSR takes ``higher`` where nothing is said, and would keep the worst network as the best."""
    given = options.get("better") or "higher"
    if given != better:
        problems.add(join_path(path, "better"), f"must be {better} for {options['type']}, got {given}")
