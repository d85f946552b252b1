"""The check of values and mappings against descriptions of known options."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.config.problems import Problems
from segsr_arch.option_keys import Key, describe


def check_value(here: Problems, value: Any, key: Key) -> bool:
    """Check one value against its description.

    Args:
        here: Where the value stands.
        value: The value.
        key: Its description.

    Returns:
        Whether the value is usable (null does not count as usable).
    """
    if value is None:
        if not key.nullable:
            here.add(f"must not be empty; expected {key.expected}")
        return False
    if not key.fits(value):
        here.add(f"expected {key.expected}, got {describe(value)}")
        return False
    exceeded = key.exceeded(value)
    if exceeded:
        here.add(f"must be {' and '.join(exceeded)}, got {describe(value)}")
        return False
    if key.keys is not None and isinstance(value, Mapping):
        check_mapping(here, value, key.keys)
    return True


def check_mapping(here: Problems, mapping: Mapping[str, Any], keys: Mapping[str, Key], *, strict: bool = True) -> None:
    """Check all keys of a mapping: unknown ones, missing ones, values.

    Args:
        here: Where the mapping stands.
        mapping: The options.
        keys: Table of known keys.
        strict: Whether a key that is not in the table is a problem.
    """
    for name, value in mapping.items():
        if name in keys:
            check_value(here.at(name), value, keys[name])
        elif strict:
            here.at(name).unknown(str(name), keys)
    for name, key in keys.items():
        if key.required and name not in mapping:
            here.at(name).add(f"is missing; expected {key.expected}")
