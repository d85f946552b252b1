"""How large images must be for a metric: the one place for all entries of ``METRIC_REGISTRY``."""

from collections.abc import Callable, Mapping
from typing import Any

from segsr_arch.metrics.protocols import DEFAULT_PROTOCOL, find_protocol

# Short and long side that BasicSR's metrics need after the crop of crop_border: SSIM a window, NIQE two blocks of 96.
STOCK_SIZES = {"calculate_psnr": (1, 1), "calculate_ssim": (11, 11), "calculate_niqe": (96, 192)}


def smallest_size(metric: Callable, options: Mapping[str, Any]) -> tuple[int, int]:
    """Give the size of the smallest images that a metric can be computed of.

    A metric of this package says it in its definition, one of BasicSR is known here, and a function from elsewhere may
    say it by an attribute ``smallest_side``.

    Args:
        metric: The registered function.
        options: Its options, as under ``val: metrics:``.

    Returns:
        Least short and least long side in pixels, before any crop; 1 and 1 if nothing is known.

    Raises:
        ConfigError: If the options name no metric or protocol.
        DependencyError: If it needs a package that is missing.
    """
    if not hasattr(metric, "definition"):
        if metric.__name__ in STOCK_SIZES and metric.__module__.split(".")[0] == "basicsr":
            short, long = STOCK_SIZES[metric.__name__]
            border = 2 * options.get("crop_border", 0)
            return short + border, long + border
        return (getattr(metric, "smallest_side", 1),) * 2
    definition = metric.definition(options)
    if not definition.per_protocol:
        return (definition.smallest_side,) * 2
    protocol = find_protocol(options.get("protocol", DEFAULT_PROTOCOL))
    return (protocol.smallest_side(options["scale"], definition.smallest_side),) * 2
