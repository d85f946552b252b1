"""Networks that need no weights, by name and scale: ``bicubic:4``."""

import inspect
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.capabilities import Capabilities
from segsr_arch.compat import registration
from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint
from segsr_arch.named_models.folders import find_models
from segsr_arch.zoo.named_networks import SCALE_NAMES


def known_names() -> dict[str, Any]:
    """The registered networks that declare ``learns=False``, by name in small letters; see :class:`Capabilities`."""
    declared = {
        name.lower(): (network, getattr(network, "capabilities", None))
        for name, network in registration.entries(ARCH_REGISTRY).items()
    }
    return {
        name: network for name, (network, own) in declared.items() if isinstance(own, Capabilities) and not own.learns
    }


def build_named(name: str) -> nn.Module:
    """Build a network of a name and a scale.

    Args:
        name: ``NAME:SCALE``; whether letters are large or small does not matter.

    Raises:
        ConfigError: If there is none of that name, it needs weights, or the scale is missing or no whole number.
    """
    known = known_names()
    wanted, _, scale = name.partition(":")
    network = known.get(wanted.lower())
    if network is None:
        if wanted.lower() in map(str.lower, registration.names(ARCH_REGISTRY)):
            raise ConfigError(
                f"--model {name}: {wanted} has weights; give -opt with the option file of a test, or a file of weights."
            )
        hint = nearest_hint(wanted, [*known, *(model.name for model in find_models()[0])])
        stop = "" if hint.endswith("?") else "."
        raise ConfigError(
            f"--model {name}: is neither a file nor a name{hint}{stop} segsr models lists trained networks; bicubic "
            f"needs a scale, bicubic:4."
        )
    if not scale.isascii() or not scale.isdigit() or int(scale) < 1:
        raise ConfigError(f"--model {name}: give the scale with the name, a whole number, as in {wanted}:4.")
    argument = next(each for each in SCALE_NAMES if each in inspect.signature(network).parameters)
    built: nn.Module = network(**{argument: int(scale)})
    return built
