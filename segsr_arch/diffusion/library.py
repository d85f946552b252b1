"""diffusers and transformers, imported when a diffusion network is built and not before: they take seconds."""

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from torch import nn

from segsr_arch.errors import ConfigError, DependencyError
from segsr_arch.known_names import nearest_hint


def diffusers_library() -> ModuleType:
    """Import diffusers.

    Returns:
        The module.

    Raises:
        DependencyError: If it is not installed, or something that it needs is not.
    """
    return _imported("diffusers")


def transformers_library() -> ModuleType:
    """Import transformers.

    Returns:
        The module.

    Raises:
        DependencyError: If it is not installed, or something that it needs is not.
    """
    return _imported("transformers")


def build_model(model: Callable[..., Any], arguments: Mapping[str, Any], where: str) -> nn.Module:
    """Build a model of one of them from an option file; its configuration would ignore keys that it does not know.

    Args:
        model: The class.
        arguments: Of its constructor.
        where: The key of the option file that holds them, for messages.

    Raises:
        ConfigError: If a key is not known, or no such model can be built.
    """
    known = tuple(name for name in inspect.signature(model).parameters if name not in ("self", "args", "kwargs"))
    check_keys(arguments, known, where)
    try:
        built: nn.Module = model(**arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError, KeyError, IndexError) as error:
        raise ConfigError(f"{where}: diffusers cannot build it ({type(error).__name__}: {error}).") from error
    return built


def check_keys(options: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    """Refuse keys that are not known.

    Raises:
        ConfigError: If there is one; the nearest known one is named.
    """
    for name in options:
        if name not in known:
            raise ConfigError(f"{where}: {name} is not an option{nearest_hint(name, known)}")


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DependencyError(
            f"diffusion networks need {name} ({error}). Install it with: pip install 'segsr-arch[diffusion]'"
        ) from error
