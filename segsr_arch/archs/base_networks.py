"""Networks that are to be guided, built from the options of a YAML by name."""

import contextlib
import copy
import difflib
import io
from collections.abc import Mapping
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.archs import zoo
from segsr_arch.errors import ConfigError, DependencyError, SegsrError


def find_base(name: str) -> type[nn.Module]:
    """Find the class of a network by the name that a YAML gives it.

    Args:
        name: A name in BasicSR's registry, or ``spandrel/NAME``.

    Returns:
        The class.

    Raises:
        ConfigError: If there is none of that name.
        DependencyError: If it needs a package that is not installed.
    """
    if name.startswith(zoo.PREFIX):
        try:
            return zoo.find_network(name.removeprefix(zoo.PREFIX))
        except (ConfigError, DependencyError) as error:
            raise type(error)(f"base: type: {error}") from error
    registered = dict(iter(ARCH_REGISTRY))
    found = registered.get(name, registered.get(f"{name}_basicsr"))
    if found is None:
        names = sorted(known.removesuffix("_basicsr") for known in registered)
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"registered are {', '.join(names)}."
        raise ConfigError(f"base: type: {name!r} is not registered; {hint}")
    return found


def build_base(options: Mapping[str, Any]) -> nn.Module:
    """Build a network from ``type`` and its arguments; the licence of one of spandrel is logged.

    Args:
        options: Mapping of a YAML.

    Returns:
        The network.

    Raises:
        ConfigError: If the type or an argument is wrong.
        DependencyError: If it needs a package that is not installed.
    """
    built = _build(options, device=None)
    if options["type"].startswith(zoo.PREFIX):
        zoo.say_licence(options["type"].removeprefix(zoo.PREFIX))
    return built


def _build(options: Mapping[str, Any], *, device: str | None) -> nn.Module:
    """Build a network with its weights on a device; ``None`` for torch's default."""
    arguments = copy.deepcopy(dict(options))
    name = arguments.pop("type", None)
    if not isinstance(name, str):
        raise ConfigError("base: type: is missing; expected the name of a registered network or spandrel/NAME.")
    network = find_base(name)
    if hasattr(network, "check_options"):
        network.check_options(options)
    try:
        with contextlib.nullcontext() if device is None else torch.device(device):
            built = network(**arguments)
    except SegsrError:
        raise
    except Exception as error:  # foreign classes raise any kind about their arguments
        raise ConfigError(f"base: {name} cannot be built ({type(error).__name__}: {error}).") from error
    return built


def outline_base(options: Mapping[str, Any], *, with_values: bool = False) -> nn.Module:
    """Build a network without memory for its weights or, if it reads values while it is built, with.

    Args:
        options: As for :func:`build_base`.
        with_values: Whether it needs its values later on.

    Returns:
        The network, on the device ``meta`` where possible, or else on the CPU.

    Raises:
        ConfigError: If the type or an argument is wrong.
        DependencyError: If it needs a package that is not installed.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        if not with_values:
            with contextlib.suppress(ConfigError):
                return _build(options, device="meta")
        return _build(options, device="cpu")
