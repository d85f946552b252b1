"""What is known of any entry of ``METRIC_REGISTRY``: this package's, BasicSR's own, or somebody else's function.

    @METRIC_REGISTRY.register()
    def calculate_sharpness(img, img2, better="higher"):
        ...

in a file that ``imports:`` names is ``--metric sharpness`` of ``segsr evaluate``. Its options are those that it has
under ``val: metrics:``.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.compat import registration
from segsr_arch.errors import ConfigError, DataError, first_line
from segsr_arch.metrics.entries import MetricEntry
from segsr_arch.metrics.metric import Better, Compute, Metric, Needs
from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL

_GIVEN = ("img", "img2", "scale", "better")
# Of BasicSR's own. The short and long side are those that crop_border must leave: SSIM needs a window, NIQE two blocks.
_STOCK: dict[str, dict[str, Any]] = {
    "calculate_psnr": {"name": "psnr", "title": "PSNR", "better": "higher", "unit": "dB", "sides": (1, 1)},
    "calculate_ssim": {"name": "ssim", "title": "SSIM", "better": "higher", "sides": (11, 11)},
    "calculate_niqe": {"name": "niqe", "title": "NIQE", "better": "lower", "sides": (96, 192)},
}


def describe(options: Mapping[str, Any], *, name: str | None = None) -> Metric:
    """Give the metric that options of ``val: metrics:`` name; nothing is loaded.

    Of a function from elsewhere, its parameters tell what it reads: ``img2`` without a default is a ground truth that
    it needs; an attribute ``smallest_side`` is the least side of its images.

    Args:
        options: The entry: ``type`` and what the metric takes.
        name: Its key, the name of a metric that has no other.

    Raises:
        ConfigError: If the type is not registered, or the entry lacks an option that says which metric it is.
        DependencyError: If it needs a package that is missing to be described.
    """
    registered = registration.find(METRIC_REGISTRY, options["type"])
    if registered is None:
        raise ConfigError(f"type: {options['type']!r} is not registered.")
    if isinstance(registered, MetricEntry):
        return registered.describe(options).with_options(options)
    return _describe_function(name or options["type"], registered, options)


def stock_defaults(function: Callable[..., Any]) -> Mapping[str, Any]:
    """What BasicSR's own metrics take where nobody gives it, though they have no default: NIQE of whole images."""
    return {"crop_border": 0} if _is_stock(function) and function.__name__ == "calculate_niqe" else {}


def backend_of(options: Mapping[str, Any], *, name: str) -> str:
    """Name what measures an entry of ``val: metrics:``: library with version, and model; or the function and options.

    Args:
        options: The entry, as for :func:`describe`.
        name: Its key.

    Raises:
        ConfigError: If the type is not registered.
        DependencyError: If a package is missing.
        WeightsError: If weights cannot be had; those of a metric that has measured are at hand.
    """
    registered = registration.find(METRIC_REGISTRY, options["type"])
    if isinstance(registered, MetricEntry):
        return registered.backend(options)
    return describe(options, name=name).load(device=torch.device("cpu")).backend


def protocol_of(options: Mapping[str, Any], *, scale: int) -> str | None:
    """Name the protocol under which an entry of ``val: metrics:`` measures.

    Args:
        options: The entry, as for :func:`describe`.
        scale: Upscaling factor of the network.

    Returns:
        The protocol of one of this package's metrics, or the one that the options of BasicSR's own PSNR and SSIM amount
        to; ``None`` if there is none, or the border is that of another scale.
    """
    registered = registration.find(METRIC_REGISTRY, options["type"])
    if isinstance(registered, MetricEntry):
        own = registered.describe(options).per_protocol and options.get("scale") == scale
        return str(options.get("protocol", DEFAULT_PROTOCOL)) if own else None
    if not _is_stock(registered) or options["type"] not in ("calculate_psnr", "calculate_ssim"):
        return None
    luma, border = bool(options.get("test_y_channel", False)), options.get("crop_border")
    if luma and border == scale:
        return "y-crop"
    return "rgb" if not luma and border == 0 and options["type"] == "calculate_psnr" else None


def _is_stock(function: Callable[..., Any]) -> bool:
    return function.__name__ in _STOCK and function.__module__.split(".")[0] == "basicsr"


def own_metrics() -> dict[str, str]:
    """All registered metrics that are not this package's: what each is by the name that it is registered under."""
    found = registration.entries(METRIC_REGISTRY)
    packaged = dict(iter(METRIC_REGISTRY))
    return {
        name: _about(metric)
        for name, metric in found.items()
        if metric is not packaged.get(f"{name}_{registration.SUFFIX}")
    }


def _about(metric: Any) -> str:
    return next(iter((inspect.getdoc(metric) or "").splitlines()), "no description")


def missing_options(function: Callable[..., Any], options: Mapping[str, Any]) -> list[str]:
    """Parameters of a registered function that have no default, and that neither the options nor its caller give."""
    return [
        key
        for key, parameter in inspect.signature(function).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and key not in (*_GIVEN, *options)
    ]


def _describe_function(name: str, function: Callable[..., Any], options: Mapping[str, Any]) -> Metric:
    parameters = inspect.signature(function).parameters
    default = parameters["better"].default if "better" in parameters else None
    better: Better = options.get("better") or (default if default in ("higher", "lower") else "higher")
    given = {key: value for key, value in options.items() if key not in ("type", "better")}

    def compute(sr: np.ndarray, gt: np.ndarray | None = None, *, scale: int | None = None) -> float:
        arguments = {"img": sr, "img2": gt, "scale": scale, "better": better}
        accepted = {key: value for key, value in arguments.items() if key in parameters and key not in given}
        try:
            return float(function(**accepted, **given))
        except (DataError, MemoryError):
            raise
        except Exception as error:  # code from elsewhere raises any kind; the other images are measured nevertheless
            raise DataError(f"{name}: {first_line(error)}") from error

    def load(*, device: torch.device) -> tuple[str, Compute]:
        shown = "".join(f", {key} {value}" for key, value in given.items())
        return f"{function.__name__} of {function.__module__}{shown}", compute

    needs: Needs = "nothing"
    if "img2" in parameters:
        needs = "gt" if parameters["img2"].default is inspect.Parameter.empty else "gt if given"
    metric = Metric(
        name=name,
        title=name,
        better=better,
        description=_about(function),
        needs=needs,
        needs_scale="scale" in parameters and "scale" not in given,
        smallest_side=getattr(function, "smallest_side", 1),
        loader=load,
    )
    if not _is_stock(function):
        return metric
    known = dict(_STOCK[function.__name__])
    short, long = (2 * options.get("crop_border", 0) + side for side in known.pop("sides"))
    return replace(metric, smallest_side=short, smallest_long_side=long, **known)
