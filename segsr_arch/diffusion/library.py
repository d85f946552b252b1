"""diffusers, which is imported when a diffusion network is built and not before: it takes seconds."""

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
    try:
        return importlib.import_module("diffusers")
    except ImportError as error:
        raise DependencyError(
            f"diffusion networks need diffusers ({error}). Install it with: pip install 'segsr-arch[diffusion]'"
        ) from error
