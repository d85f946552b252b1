"""Networks that are to be guided, built from the options of a YAML by name."""

import contextlib
import copy
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.compat import registration
from segsr_arch.errors import ConfigError, DependencyError, SegsrError
from segsr_arch.known_names import nearest_hint
from segsr_arch.zoo import spandrel_networks

# What constructors of networks call their scale.
SCALE_NAMES = ("upscale", "scale", "upscale_factor", "up_scale")


@dataclass(frozen=True, kw_only=True)
class Base:
    """A network that is described and not built yet.

    Attributes:
        name: Its name in option files.
        network: Its class.
        arguments: Arguments of the constructor.
    """

    name: str
    network: type[nn.Module]
    arguments: Mapping[str, Any]

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> "Base":
        """Read a mapping of a YAML: ``type`` and arguments.

        Raises:
            ConfigError: If the type is missing, or not known: the nearest known one is named.
            DependencyError: If it needs a package that is not installed.
        """
        arguments = dict(options)
        name = arguments.pop("type", None)
        if not isinstance(name, str):
            raise ConfigError("base: type: is missing; expected the name of a registered network or spandrel/NAME.")
        try:
            network = find_network(name)
        except (ConfigError, DependencyError) as error:
            raise type(error)(f"base: type: {error}") from error
        if network is None:
            names = registration.names(ARCH_REGISTRY)
            hint = nearest_hint(name, names) or f"; registered are {', '.join(names)}."
            raise ConfigError(f"base: type: {name!r} is not registered{hint}")
        return cls(name=name, network=network, arguments=arguments)

    def build(self) -> nn.Module:
        """Build the network; the licence of one of spandrel is logged.

        Raises:
            ConfigError: If an argument is wrong.
        """
        built = self._build(device=None)
        if self.name.startswith(spandrel_networks.PREFIX):
            spandrel_networks.say_licence(self.name.removeprefix(spandrel_networks.PREFIX))
        return built

    def outline(self, *, with_values: bool = False) -> nn.Module:
        """Build the network without memory for its weights or, if it reads values while it is built, with.

        Args:
            with_values: Whether it needs its values later on.

        Returns:
            The network, on the device ``meta`` where possible, or else on the CPU.

        Raises:
            ConfigError: If an argument is wrong.
        """
        with contextlib.redirect_stdout(io.StringIO()):
            if not with_values:
                with contextlib.suppress(ConfigError):
                    return self._build(device="meta")
            return self._build(device="cpu")

    def _build(self, *, device: str | None) -> nn.Module:
        """Build with weights on a device; ``None`` for torch's default."""
        if hasattr(self.network, "check_options"):
            self.network.check_options({"type": self.name, **self.arguments})
        try:
            with contextlib.nullcontext() if device is None else torch.device(device):
                return self.network(**copy.deepcopy(dict(self.arguments)))
        except SegsrError:
            raise
        except Exception as error:  # foreign classes raise any kind about their arguments
            raise ConfigError(f"base: {self.name} cannot be built ({type(error).__name__}: {error}).") from error


def find_network(name: Any) -> type[nn.Module] | None:
    """Find the class of a network by the name that an option file gives it: the one look-up of this package.

    Args:
        name: What stands in the option file; a name in BasicSR's registry, or ``spandrel/NAME``.

    Returns:
        The class, or another callable that somebody has registered; ``None`` if nothing is registered by that name.

    Raises:
        ConfigError: If spandrel has none of that name.
        DependencyError: If it needs a package that is not installed.
    """
    if not isinstance(name, str):
        return None
    if name.startswith(spandrel_networks.PREFIX):
        return spandrel_networks.find_network(name.removeprefix(spandrel_networks.PREFIX))
    found: type[nn.Module] | None = registration.find(ARCH_REGISTRY, name)
    return found


def build_base(options: Mapping[str, Any]) -> nn.Module:
    """Build a network from ``type`` and its arguments, see :class:`Base`."""
    return Base.from_options(options).build()
