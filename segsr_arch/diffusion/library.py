"""diffusers and transformers, imported when a diffusion network is built and not before: they take seconds."""

import importlib
from types import ModuleType

from segsr_arch.errors import DependencyError


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


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise DependencyError(
            f"diffusion networks need {name} ({error}). Install it with: pip install 'segsr-arch[diffusion]'"
        ) from error
