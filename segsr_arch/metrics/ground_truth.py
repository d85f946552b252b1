"""Which metrics need a ground truth image."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def needs_ground_truth(metric: Callable, options: Mapping[str, Any]) -> bool:
    """Whether an entry of ``METRIC_REGISTRY`` compares with the ground truth, ``img2`` in BasicSR's calls.

    Args:
        metric: The function; one of this package has the attribute ``definition``.
        options: Its options, as under ``val: metrics:``.

    Returns:
        False if it does not take ``img2`` (BasicSR's NIQE), or takes it and does not read it (CLIP-IQA).

    Raises:
        ConfigError: If the options of a metric of this package name none.
        DependencyError: If it needs a package that is missing.
    """
    reference = inspect.signature(metric).parameters.get("img2")
    if reference is None:
        return False
    if reference.default is reference.empty:
        return True
    return hasattr(metric, "definition") and metric.definition(options).needs == "gt"
