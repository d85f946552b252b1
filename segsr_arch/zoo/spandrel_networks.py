"""Networks of spandrel and of its companion with restrictive licences, spandrel_extra_arches, by name."""

import functools
import importlib
import importlib.util
import logging
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.errors import ConfigError, DependencyError
from segsr_arch.known_names import close_matches

logger = logging.getLogger(__name__)

PREFIX = "spandrel/"
_INSTALL = "pip install 'segsr-arch[zoo]'"
_EXTRA = "spandrel_extra_arches"
# What the README in each package's metadata says of all its networks, and whether that allows commercial use.
_PACKAGES = {
    "spandrel": ("has permissive licences only: MIT, Apache-2.0 or public domain", True),
    _EXTRA: ("has non-commercial and copyleft licences", False),
}


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The licence of a network's code; that of published weights may be another.

    Attributes:
        name: Its name.
        commercial: Whether it allows commercial use.
        source: Where this was read.
    """

    name: str
    commercial: bool
    source: str


# Only what was read there; any other network is reported as not known.
LICENCES = {
    "DAT": Licence(name="Apache-2.0", commercial=True, source="LICENSE of github.com/zhengchen1999/DAT"),
    "HAT": Licence(name="Apache-2.0", commercial=True, source="LICENSE of github.com/XPixelGroup/HAT"),
    "SwinIR": Licence(name="Apache-2.0", commercial=True, source="README of github.com/JingyunLiang/SwinIR"),
    "SRFormer": Licence(
        name="CC BY-NC 4.0, non-commercial use only",
        commercial=False,
        source="README of github.com/HVision-NKU/SRFormer, whose LICENSE.txt is Apache-2.0 nevertheless",
    ),
}

_said: set[str] = set()


def find_network(name: str) -> type[nn.Module]:
    """Find the class of a network.

    Args:
        name: Its name in spandrel or spandrel_extra_arches, without the prefix ``spandrel/``.

    Returns:
        The class.

    Raises:
        ConfigError: If there is none of that name; the nearest one is named.
        DependencyError: If the package that has it is not installed, or cannot be imported.
    """
    known = {network: cls for package in _PACKAGES for network, cls in _networks(package).items()}
    if not known:
        raise DependencyError(f"{PREFIX}{name} needs spandrel, which is not installed. Install it with: {_INSTALL}")
    if name in known:
        return known[name]
    without_extra = importlib.util.find_spec(_EXTRA) is None
    if without_extra and name in LICENCES:
        raise DependencyError(f"{PREFIX}{name} needs {_EXTRA}, which is not installed. Install it with: {_INSTALL}")
    near = [PREFIX + network for network in close_matches(name, known)]
    raise ConfigError(
        f"{PREFIX}{name} is no network of spandrel; "
        + (f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(sorted(known))}.")
        + (f" {_EXTRA}, which has more, is not installed: {_INSTALL}" if without_extra else "")
    )


@functools.cache
def _networks(package: str) -> Mapping[str, type[nn.Module]]:
    """All networks of a package by name; none if it is not installed."""
    if importlib.util.find_spec(package) is None:
        return {}
    try:
        folder = importlib.import_module(f"{package}.architectures")
        modules = [
            importlib.import_module(f"{folder.__name__}.{entry.name}")
            for entry in pkgutil.iter_modules(folder.__path__)
            if not entry.name.startswith("_")
        ]
    except ImportError as error:
        raise DependencyError(
            f"{package} is installed but cannot be imported ({error}). Install it anew with: {_INSTALL}"
        ) from error
    named = [(name, getattr(module, name)) for module in modules for name in module.__all__]
    return {name: cls for name, cls in named if isinstance(cls, type) and issubclass(cls, nn.Module)}


def say_licence(name: str) -> None:
    """Log the licence of a network, once in a process: a warning unless it is known to allow commercial use.

    Args:
        name: Name of the network, without the prefix.
    """
    if name in _said:
        return
    _said.add(name)
    licence = LICENCES.get(name)
    if licence is not None:
        text = f"{licence.name} (from the {licence.source}). Published weights may have further terms."
        commercial = licence.commercial
    else:
        package = next(package for package in _PACKAGES if name in _networks(package))
        says, commercial = _PACKAGES[package]
        text = f"not known here, look it up; the package {package} says that it {says}."
    logger.log(logging.INFO if commercial else logging.WARNING, "LICENCE of %s%s: %s", PREFIX, name, text)


def register(name: str) -> None:
    """Let BasicSR's ``build_network`` find a network as ``spandrel/NAME``; it says the licence when it builds.

    Args:
        name: Name of the network, without the prefix.

    Raises:
        ConfigError: If there is none of that name.
        DependencyError: If the package that has it is not installed.
    """
    network = find_network(name)
    if PREFIX + name in ARCH_REGISTRY:
        return

    @functools.wraps(network, updated=())
    def build(**arguments: Any) -> nn.Module:
        say_licence(name)
        return network(**arguments)

    build.__name__ = PREFIX + name  # the name that it is registered under
    ARCH_REGISTRY.register(build)
