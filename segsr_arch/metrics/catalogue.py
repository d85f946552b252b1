"""Every metric by name, each also an entry of ``METRIC_REGISTRY``.

    measure = find_metric("lpips").load(device=torch.device("cpu"))
    value = measure(sr, gt, lq, scale)
    print(value, measure.backend)

A metric more is a file in :mod:`segsr_arch.metrics.measures`; one of your own is a file that calls
:func:`segsr_arch.metrics.entries.register_metric`.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.compat import registration
from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint
from segsr_arch.metrics import measures, pyiqa_metrics
from segsr_arch.metrics.entries import MetricEntry
from segsr_arch.metrics.metric import Metric
from segsr_arch.metrics.registered import describe, missing_options, own_metrics, stock_defaults


def collect() -> dict[str, Metric]:
    """Import every file of :mod:`segsr_arch.metrics.measures`.

    Returns:
        Their metrics by name: first those that are measured under protocols, which everybody reports, then the others.
    """
    names = [f"{measures.__name__}.{each.name}" for each in pkgutil.iter_modules(measures.__path__)]
    found: list[Metric] = [metric for name in names for metric in importlib.import_module(name).METRICS]
    return {metric.name: metric for metric in sorted(found, key=lambda metric: (not metric.per_protocol, metric.name))}


CATALOGUE = collect()

for _entry in (*map(MetricEntry, CATALOGUE.values()), pyiqa_metrics.ENTRY):
    registration.register(METRIC_REGISTRY)(_entry)


def find_metric(name: str, section: Mapping[str, Any] | None = None) -> Metric:
    """Look a metric up by name.

    Args:
        name: A name of :data:`CATALOGUE`, ``pyiqa:`` and a name of pyiqa, or the name of a metric that somebody has
            registered with BasicSR (:mod:`segsr_arch.metrics.registered`).
        section: ``val: metrics:`` of an option file, where metrics have their options. The PSNR of the name ``psnr``
            and the like are measured by the protocols that are asked for, an entry of another name by its own.

    Returns:
        The metric; nothing is loaded.

    Raises:
        ConfigError: If there is none of this name; the nearest one is named. If it lacks an option.
        DependencyError: If it is one of pyiqa's, which is not installed.
    """
    if name.startswith(pyiqa_metrics.PREFIX):
        return pyiqa_metrics.find_pyiqa_metric(name)
    found = CATALOGUE.get(name)
    return (
        _find_registered(name, section or {}) if found is None else _with_own_options(found, (section or {}).get(name))
    )


def _with_own_options(metric: Metric, entry: Any) -> Metric:
    """A metric with the options of the entry of its name, if that is this metric; protocols are for ``--protocol``."""
    if metric.per_protocol or not isinstance(entry, Mapping) or "type" not in entry:
        return metric
    kind = registration.find(METRIC_REGISTRY, entry["type"])
    own = isinstance(kind, MetricEntry) and kind.__name__ == f"calculate_{metric.name}"
    return metric.with_options(entry) if own else metric


def _find_registered(name: str, section: Mapping[str, Any]) -> Metric:
    """Look up a metric by its key under ``val: metrics:``, or its name in the registry, with or without calculate_."""
    entries = {key: entry for key, entry in section.items() if isinstance(entry, Mapping) and "type" in entry}
    kinds = (name, f"calculate_{name}")
    options = entries.get(name) or next((entry for entry in entries.values() if entry["type"] in kinds), None)
    if options is None:
        options = {"type": next((kind for kind in kinds if registration.find(METRIC_REGISTRY, kind)), None)}
    registered = registration.find(METRIC_REGISTRY, options["type"])
    if registered is None:
        known = [*CATALOGUE, f"{pyiqa_metrics.PREFIX}NAME", *own_metrics()]
        raise ConfigError(f"metric {name!r} is not known{nearest_hint(name, known)}")
    if isinstance(registered, MetricEntry):
        return describe(options)
    options = {**stock_defaults(registered), **options}
    missing = missing_options(registered, options)
    if missing:
        raise ConfigError(
            f"--metric {name}: needs {', '.join(missing)}; give it in an option file (-opt), under val: metrics: "
            f"{name}:"
        )
    found = describe(options, name=name)
    return replace(found, name=name, title=name, better=options.get("better") or found.better)
