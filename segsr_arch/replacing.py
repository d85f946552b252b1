"""Replacing a name for as long as something runs."""

import contextlib
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute of a module, class or object, and set it back afterwards.

    Args:
        owner: What has the attribute.
        name: Its name.
        value: Its value within the ``with`` block.
    """
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)
