"""Names of this package are found in BasicSR's registries, and BasicSR's own that have a suffix, without printing.

Symptom: "An object named 'HAT' was already registered" where another package has a network of that name; a line on the
screen at every lookup.
Cause: names without suffix would be taken. ``Registry.get`` knows the suffix of BasicSR alone, and prints when it falls
back on it; versions before 1.4 know none.
"""

import logging
from typing import Any

from segsr_arch.compat.registration import STOCK_SUFFIX, SUFFIX, find

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)
_said: set[tuple[str, str]] = set()


def repair() -> bool:
    """Look names up as :func:`~segsr_arch.compat.registration.find` does."""
    from basicsr.utils.registry import Registry

    if Registry.get is get:
        return False
    Registry.get = get
    return True


def get(self: Any, name: str, suffix: str = STOCK_SUFFIX) -> Any:
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


def _say_whose(registry: Any, name: str, found: Any) -> None:
    """Log once that a name is not this package's, although that has one of this name."""
    own = dict(iter(registry)).get(f"{name}_{SUFFIX}")
    if own in (None, found) or (registry._name, name) in _said:
        return
    _said.add((registry._name, name))
    logger.info("%s is that of %s; %s_%s is the one of segsr_arch.", name, found.__module__, name, SUFFIX)
