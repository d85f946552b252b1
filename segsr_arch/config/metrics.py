"""Checks of ``val: metrics:``; each metric is computed once, on two small random images."""

import copy
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from segsr_arch.config.calls import check_call, find_registered
from segsr_arch.config.mappings import check_mapping
from segsr_arch.config.problems import Problems
from segsr_arch.config.sections import is_known_code
from segsr_arch.config.tables import METRIC, METRIC_PARAMETERS
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
    from basicsr.utils.registry import METRIC_REGISTRY

    for name, options in metrics.items() if isinstance(metrics, Mapping) else ():
        here = problems.at("val", "metrics", name)
        if not isinstance(options, Mapping):
            here.add(f"expected a mapping with the key type, got {describe(options)}")
            continue
        metric = find_registered(here.at("type"), METRIC_REGISTRY, options.get("type"))
        check_mapping(here, options, METRIC, strict=False)
        if metric is None:
            continue
        ours = is_known_code(metric)  # such take **kwargs and never look into it
        check_call(here, options, metric, also_known=METRIC, given=images_given(metric), kwargs_is_sink=ours)
        if ours:
            rest = {name: value for name, value in options.items() if here.at(name).ok}
            check_mapping(here, rest, METRIC_PARAMETERS, strict=False)
        if here.ok and is_whole(scale) and options.get("scale", scale) != scale:
            here.at("scale").add(f"is {options['scale']}, but scale: is {scale}")
        if here.ok:
            _try_metric(here, options, metric, ours=ours)


def images_given(metric: Callable[..., Any]) -> list[str]:
    """Parameters of a metric that the model fills in with images."""
    return [name for name in inspect.signature(metric).parameters if name in _IMAGES]


def _try_metric(here: Problems, options: Mapping[str, Any], metric: Any, *, ours: bool) -> None:
    from basicsr.metrics import calculate_metric

    with here.trying("cannot be computed"):
        known = describe_metric(options)
        if ours:
            _check_better(here, options, known.better)
        border = 2 * options.get("crop_border", 0) if is_whole(options.get("crop_border", 0)) else 0
        side = max(known.trial_side + border, *known.smallest_size(options))
    if not here.ok:
        return
    random = np.random.default_rng(0)
    images = {name: random.integers(0, 256, (side, side, 3), dtype=np.uint8) for name in _IMAGES}
    with here.trying(f"cannot be computed, tried on two {side} x {side} images"):
        value = float(calculate_metric(images, copy.deepcopy(dict(options))))
        if math.isnan(value):
            here.add(f"is not a number (NaN), tried on two random {side} x {side} images; check its options")
    if getattr(metric, "set_metric", False):
        metric.reset()


def _check_better(here: Problems, options: Mapping[str, Any], better: str) -> None:
    """BasicSR takes ``higher`` where nothing is said, and would keep the worst network as the best."""
    given = options.get("better") or "higher"
    if given != better:
        here.at("better").add(f"must be {better} for {options['type']}, got {given}")
