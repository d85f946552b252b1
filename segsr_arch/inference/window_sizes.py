"""The ``window_size`` that model classes such as BasicSR's ``SwinIRModel`` read in ``network_g``, to pad images to it.

A network that has its window by default, or within, as the base of a guide, does not say it there.
"""

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any

from segsr_arch.capabilities import Capabilities
from segsr_arch.errors import SegsrError
from segsr_arch.zoo.named_networks import find_network

KEY = "window_size"


class NetworkOptions(dict[str, Any]):
    """Options of a network that know its window without holding it, since its constructor may not take one.

    Args:
        options: Options of the network.
        window_size: What ``options["window_size"]`` gives.
    """

    def __init__(self, options: Mapping[str, Any], window_size: int) -> None:
        super().__init__(options)
        self._window_size = window_size

    def __missing__(self, key: str) -> int:
        """Answer what model classes ask for."""
        if key == KEY:
            return self._window_size
        raise KeyError(key)


def window_size_of(options: Mapping[str, Any]) -> int | None:
    """Tell to what multiples a model class shall pad images for a network.

    Args:
        options: Options of the network, with ``type``.

    Returns:
        ``window_size`` as it is given; else 1 for a network that takes images of any size, what its class has by
        default, or that of the network within it; ``None`` if it has no window that is known.
    """
    given: int | None = options.get(KEY)
    if given is not None:
        return given
    network = None
    with contextlib.suppress(SegsrError):
        network = find_network(options.get("type"))
    if network is None:
        return None
    if getattr(network, "capabilities", Capabilities()).takes_any_size:
        return 1
    default = inspect.signature(network).parameters.get(KEY)
    if default is not None and isinstance(default.default, int):
        return default.default
    inner = [
        options[name] for name in getattr(network, "nested_networks", ()) if isinstance(options.get(name), Mapping)
    ]
    return next((size for size in map(window_size_of, inner) if size is not None), None)


def knowing_window(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let the options of a network answer for its window, if it is known and not among them."""
    size = None if KEY in options else window_size_of(options)
    return options if size is None else NetworkOptions(options, size)


def reads_window_size(model: type) -> bool:
    """Whether a model class, or one that it is made from, reads ``window_size`` of options in a method of its own."""
    functions = [member for cls in model.__mro__ for member in vars(cls).values() if inspect.isfunction(member)]
    return any(KEY in function.__code__.co_consts for function in functions)
