"""Checks of ``val: metrics:``; each metric is computed once, on two small random images."""

import copy
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from segsr_arch.config.calls import check_call, find_registered
from segsr_arch.config.problems import Problems, join_path
from segsr_arch.config.schema import check_mapping, describe, is_whole
from segsr_arch.config.tables import METRIC, METRIC_PARAMETERS
from segsr_arch.config.trials import reported

_IMAGES = ("img", "img2")
_SIDE = 32
_NIQE_SIDE = 288  # NIQE needs several blocks of 96 pixels
WITHOUT_GROUND_TRUTH = ("SingleImageDataset",)


def check_metrics(problems: Problems, metrics: Any) -> None:
    """Check that each metric is registered, takes the options given, and gives a number.

    Args:
        problems: Where problems go.
        metrics: The section; null means no metrics.
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
            check_mapping(problems, path, options, METRIC_PARAMETERS, strict=False)
        if len(problems.lines) == before:
            _try_metric(problems, path, options, metric)


def check_ground_truth(problems: Problems, opt: Mapping[str, Any]) -> None:
    """Check that data sets to validate or test on have ground truth, if a metric compares with it.

    Args:
        problems: Where problems go.
        opt: The options.
    """
    val, datasets = opt.get("val"), opt.get("datasets")
    metrics = val.get("metrics") if isinstance(val, Mapping) else None
    if not isinstance(metrics, Mapping) or not metrics or not isinstance(datasets, Mapping):
        return
    for name, options in datasets.items():
        if not isinstance(options, Mapping) or options.get("type") not in WITHOUT_GROUND_TRUTH:
            continue
        if str(name).split("_")[0] in ("val", "test"):
            problems.add(
                join_path("datasets", str(name)),
                f"{options['type']} has no ground truth for val:metrics ({', '.join(map(str, metrics))}); give a "
                "PairedImageDataset with dataroot_gt, or remove val:metrics",
            )


def _find(problems: Problems, path: str, options: Mapping[str, Any]) -> Callable | None:
    from basicsr.utils.registry import METRIC_REGISTRY

    return find_registered(problems, join_path(path, "type"), METRIC_REGISTRY, options.get("type"))


def _try_metric(problems: Problems, path: str, options: Mapping[str, Any], metric: Callable) -> None:
    from basicsr.metrics import calculate_metric

    border = options.get("crop_border", 0)
    side = _NIQE_SIDE if metric.__name__ == "calculate_niqe" else _SIDE
    side += 2 * border if is_whole(border) else 0
    random = np.random.default_rng(0)
    images = {name: random.integers(0, 256, (side, side, 3), dtype=np.uint8) for name in _IMAGES}
    with reported(problems, path, f"cannot be computed, tried on two {side} x {side} images"):
        value = float(calculate_metric(images, copy.deepcopy(dict(options))))
        if math.isnan(value):
            problems.add(path, f"is not a number (NaN), tried on two random {side} x {side} images; check its options")
