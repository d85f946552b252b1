"""Metrics that somebody has registered with BasicSR, as metrics of ``segsr evaluate``.

    @METRIC_REGISTRY.register()
    def calculate_sharpness(img, img2, better="higher"):
        ...

in a file that ``imports:`` names is ``--metric sharpness``. Its options are those that it has under ``val: metrics:``.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.compat import registration
from segsr_arch.errors import ConfigError, DataError, first_line
from segsr_arch.metrics.definition import LoadedImageMetric, LoadOptions, MetricDefinition
from segsr_arch.metrics.ground_truth import needs_ground_truth

_PREFIX = "calculate_"
_GIVEN = ("img", "img2", "scale", "better")


def own_metrics() -> dict[str, str]:
    """All registered metrics that are not this package's: what each is by the name that it is registered under."""
    found = {name: registration.find(METRIC_REGISTRY, name) for name in registration.names(METRIC_REGISTRY)}
    return {name: _about(metric) for name, metric in found.items() if not hasattr(metric, "definition")}


def _about(metric: Callable) -> str:
    return next(iter((inspect.getdoc(metric) or "").splitlines()), "no description")


def find_own_metric(name: str, section: Mapping[str, Any]) -> MetricDefinition | None:
    """Look up a registered metric.

    Args:
        name: The name that it has under ``val: metrics:``, or that it is registered under, with ``calculate_`` or
            without.
        section: ``val: metrics:`` of an option file; may be empty.

    Returns:
        The definition, or ``None`` if there is none of this name.

    Raises:
        ConfigError: If it needs an option that it does not have.
    """
    entries = {key: dict(entry) for key, entry in section.items() if isinstance(entry, Mapping) and "type" in entry}
    if name in entries:
        options = entries[name]
    else:
        kinds = (name, f"{_PREFIX}{name}")
        options = next((entry for entry in entries.values() if entry["type"] in kinds), None)
        if options is None:
            kind = next((kind for kind in kinds if registration.find(METRIC_REGISTRY, kind) is not None), None)
            options = {"type": kind}
    metric = registration.find(METRIC_REGISTRY, options["type"])
    if metric is None:
        return None
    if hasattr(metric, "definition"):
        return metric.definition(options)
    return _define(name, metric, options)


def _define(name: str, metric: Callable, options: Mapping[str, Any]) -> MetricDefinition:
    parameters = inspect.signature(metric).parameters
    missing = [
        key
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and key not in (*_GIVEN, *options)
    ]
    if missing:
        raise ConfigError(
            f"--metric {name}: needs {', '.join(missing)}; give it in the option file, under val: metrics: {name}:"
        )
    default = parameters["better"].default if "better" in parameters else None
    better = options.get("better") or (default if default in ("higher", "lower") else "higher")
    given = {key: value for key, value in options.items() if key not in ("type", "better")}
    shown = "".join(f", {key} {value}" for key, value in given.items())

    def compute(sr: Any, gt: Any, lq: Any, scale: int) -> float:
        arguments = {"img": sr, "img2": gt, "scale": scale, "better": better}
        accepted = {key: value for key, value in arguments.items() if key in parameters and key not in given}
        try:
            return float(metric(**accepted, **given))
        except DataError:
            raise
        except MemoryError:
            raise
        except Exception as error:  # code from elsewhere raises any kind; the other images are measured nevertheless
            raise DataError(f"{name}: {first_line(error)}") from error

    def load(_options: LoadOptions) -> LoadedImageMetric:
        return LoadedImageMetric(backend=f"{metric.__name__} of {metric.__module__}{shown}", compute=compute)

    return MetricDefinition(
        name=name,
        title=name,
        better=better,
        needs="gt" if needs_ground_truth(metric, options) else "nothing",
        description=_about(metric),
        loader=load,
    )
