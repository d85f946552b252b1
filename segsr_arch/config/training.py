"""Checks of ``train:`` and ``val:``: optimizers, schedulers, losses, metrics."""

import inspect
from collections.abc import Mapping
from typing import Any

from segsr_arch.config.calls import check_call, find_registered
from segsr_arch.config.problems import Problems, join_path
from segsr_arch.config.schema import check_mapping, describe, is_number, needed
from segsr_arch.config.tables import METRIC, OPTIMIZER, SCHEDULERS


def check_training(problems: Problems, train: Mapping[str, Any], *, strict: bool) -> None:
    """Check optimizers, scheduler and losses of the ``train:`` section.

    Args:
        problems: Where problems go.
        train: The section.
        strict: Whether the model builds them as stock BasicSR does, so that names from elsewhere are wrong.
    """
    for key, options in train.items():
        path = join_path("train", str(key))
        if not isinstance(options, Mapping):
            continue
        if str(key).startswith("optim_"):
            _check_optimizer(problems, path, options, strict=strict)
        elif key == "scheduler":
            _check_scheduler(problems, path, options, train.get("total_iter"), strict=strict)
        elif str(key).endswith("_opt"):
            _check_loss(problems, path, options, strict=strict)


def check_metrics(problems: Problems, metrics: Any) -> None:
    """Check the ``val: metrics:`` section: each metric is registered and takes the options given.

    Args:
        problems: Where problems go.
        metrics: The section; null means no metrics.
    """
    from basicsr.utils.registry import METRIC_REGISTRY

    for name, options in metrics.items() if isinstance(metrics, Mapping) else ():
        path = join_path("val", "metrics", str(name))
        if not isinstance(options, Mapping):
            problems.add(path, f"expected a mapping with the key type, got {describe(options)}")
            continue
        check_mapping(problems, path, options, METRIC, strict=False)
        metric = find_registered(problems, join_path(path, "type"), METRIC_REGISTRY, options.get("type"))
        if metric is not None:
            # the images come from the model; stock metrics take **kwargs and never look into it
            first_images = [p for p in inspect.signature(metric).parameters if p in ("img", "img2")]
            sink = metric.__module__.split(".")[0] in ("basicsr", "segsr_arch")
            check_call(problems, path, options, metric, also_known=METRIC, given=first_images, kwargs_is_sink=sink)


def _check_optimizer(problems: Problems, path: str, options: Mapping[str, Any], *, strict: bool) -> None:
    import torch

    check_mapping(problems, path, options, OPTIMIZER, strict=False)
    name = options.get("type")
    known = {
        key: cls
        for key, cls in vars(torch.optim).items()
        if inspect.isclass(cls) and issubclass(cls, torch.optim.Optimizer) and cls is not torch.optim.Optimizer
    }
    if name in known:
        check_call(problems, path, options, known[name], given=("params",))
    elif isinstance(name, str) and strict:
        problems.unknown(join_path(path, "type"), name, known, f"{name!r} is not an optimizer of torch.optim")


def _check_scheduler(
    problems: Problems, path: str, options: Mapping[str, Any], total_iter: Any, *, strict: bool
) -> None:
    name = options.get("type")
    if name not in SCHEDULERS:
        check_mapping(problems, path, options, {"type": needed("text")}, strict=False)
        if isinstance(name, str) and strict:
            problems.unknown(join_path(path, "type"), name, SCHEDULERS, f"{name!r} is not a scheduler of BasicSR")
        return
    check_mapping(problems, path, options, SCHEDULERS[name])
    starts_key = "periods" if name == "CosineAnnealingRestartLR" else "restarts"
    starts, weights = options.get(starts_key, [0]), options.get("restart_weights", [1])
    if not isinstance(starts, list) or not isinstance(weights, list):
        return
    if len(starts) != len(weights):
        problems.add(
            join_path(path, "restart_weights"),
            f"needs as many entries as {starts_key} ({len(starts)}), has {len(weights)}",
        )
    whole = starts_key == "periods" and is_number(total_iter) and all(map(is_number, starts))
    if whole and sum(starts) < total_iter - 1:
        problems.add(
            join_path(path, "periods"),
            f"add up to {sum(starts)}, fewer than total_iter: {total_iter}; the run would fail there",
        )


def _check_loss(problems: Problems, path: str, options: Mapping[str, Any], *, strict: bool) -> None:
    from basicsr.utils.registry import LOSS_REGISTRY

    if not isinstance(options.get("type"), str):
        if strict:
            problems.add(join_path(path, "type"), "is missing; expected the name of a registered loss")
        return
    loss = find_registered(problems, join_path(path, "type"), LOSS_REGISTRY, options["type"])
    if loss is not None:
        check_call(problems, path, options, loss)
