"""Names in BasicSR's registries, which the names of this package give way to.

BasicSR registers what others may bring, too, under a suffix, on which its lookup falls back. This package does the same
under a suffix of its own: ``HAT`` in an option file is the class that somebody registered under that name, before or
after this package was imported, and this package's where nobody did; ``HAT_segsr`` is this package's always.
"""

from collections.abc import Callable
from typing import Any

SUFFIX = "segsr"
STOCK_SUFFIX = "basicsr"


def register(registry: Any) -> Callable[[Any], Any]:
    """Make a decorator that registers a class or function of this package under its name and the suffix.

    Args:
        registry: ``ARCH_REGISTRY`` or one of its kind, of any version of BasicSR.

    Returns:
        The decorator, which returns what it is given.
    """

    def decorate(registered: Any) -> Any:
        registry._do_register(f"{registered.__name__}_{SUFFIX}", registered)
        return registered

    return decorate


def find(registry: Any, name: str) -> Any:
    """Look a name up as an option file means it; the one lookup of this package.

    Args:
        registry: ``ARCH_REGISTRY`` or one of its kind.
        name: The name in the option file.

    Returns:
        What is registered under this very name, else this package's, else BasicSR's own; ``None`` if there is none.
    """
    entries = dict(iter(registry))
    for known in (name, f"{name}_{SUFFIX}", f"{name}_{STOCK_SUFFIX}"):
        if known in entries:
            return entries[known]
    return None


def names(registry: Any) -> list[str]:
    """All names that :func:`find` knows, sorted, without suffixes."""
    return sorted({known.removesuffix(f"_{SUFFIX}").removesuffix(f"_{STOCK_SUFFIX}") for known, _ in registry})


def entries(registry: Any) -> dict[str, Any]:
    """All that :func:`find` knows by name, sorted by it."""
    return {name: find(registry, name) for name in names(registry)}
