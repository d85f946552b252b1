"""Names in BasicSR's registries, which the names of this package give way to.

BasicSR registers what others may bring, too, under a suffix, on which its lookup falls back. This package does the same
under a suffix of its own: ``HAT`` in an option file is the class that somebody registered under that name, before or
after this package was imported, and this package's where nobody did; ``HAT_segsr`` is this package's always.
"""

import logging

SUFFIX = "segsr"
_STOCK_SUFFIX = "basicsr"

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)
_said = set()


def register(registry):
    """Make a decorator that registers a class or function of this package under its name and the suffix.

    Args:
        registry: ``ARCH_REGISTRY`` or one of its kind, of any version of BasicSR.

    Returns:
        The decorator, which returns what it is given.
    """

    def decorate(registered):
        registry._do_register(f"{registered.__name__}_{SUFFIX}", registered)
        return registered

    return decorate


def find(registry, name):
    """Look a name up as an option file means it; the one lookup of this package.

    Args:
        registry: ``ARCH_REGISTRY`` or one of its kind.
        name: The name in the option file.

    Returns:
        What is registered under this very name, else this package's, else BasicSR's own; ``None`` if there is none.
    """
    entries = dict(iter(registry))
    for known in (name, f"{name}_{SUFFIX}", f"{name}_{_STOCK_SUFFIX}"):
        if known in entries:
            return entries[known]
    return None


def names(registry):
    """All names that :func:`find` knows, sorted, without suffixes."""
    return sorted({known.removesuffix(f"_{SUFFIX}").removesuffix(f"_{_STOCK_SUFFIX}") for known, _ in registry})


def repair_registries():
    """Find the names of this package, and BasicSR's own that have a suffix, without printing.

    Cause: ``Registry.get`` knows the suffix of BasicSR alone, and prints a line at every lookup that falls back on it;
    versions before 1.4 know none. Names without suffix would be taken: importing this package and another one that
    registers its HAT would exclude each other.

    Returns:
        True if it was not replaced before.
    """
    from basicsr.utils.registry import Registry

    if Registry.get is get:
        return False
    Registry.get = get
    return True


def get(self, name, suffix=_STOCK_SUFFIX):
    """Look a name up, see :func:`find`; takes the place of ``Registry.get``.

    Args:
        self: The registry.
        name: The name.
        suffix: A suffix to fall back on.

    Returns:
        The registered class or function.

    Raises:
        KeyError: If there is none.
    """
    found = find(self, name)
    if found is None:
        found = dict(iter(self)).get(f"{name}_{suffix}")
    if found is None:
        raise KeyError(f"No object named '{name}' found in '{self._name}' registry!")
    _say_whose(self, name, found)
    return found


def _say_whose(registry, name, found):
    """Log once that a name is not this package's, although that has one of this name."""
    own = dict(iter(registry)).get(f"{name}_{SUFFIX}")
    if own in (None, found) or (registry._name, name) in _said:
        return
    _said.add((registry._name, name))
    logger.info("%s is that of %s; %s_%s is the one of segsr_arch.", name, found.__module__, name, SUFFIX)
