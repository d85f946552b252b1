"""The check of values and mappings against descriptions of known options."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.config.problems import Problems, join_path
from segsr_arch.option_keys import Key, describe


def check_value(problems: Problems, path: str, value: Any, key: Key) -> bool:
    """Check one value against its description.

    Args:
        problems: Where problems go.
        path: Key path of the value.
        value: The value.
        key: Its description.

    Returns:
        Whether the value is usable (null does not count as usable).
    """
    if value is None:
        if not key.nullable:
            problems.add(path, f"must not be empty; expected {key.expected}")
        return False
    if not key.fits(value):
        problems.add(path, f"expected {key.expected}, got {describe(value)}")
        return False
    exceeded = key.exceeded(value)
    if exceeded:
        problems.add(path, f"must be {' and '.join(exceeded)}, got {describe(value)}")
        return False
    if key.keys is not None and isinstance(value, Mapping):
        check_mapping(problems, path, value, key.keys)
    return True


def check_mapping(
    problems: Problems, path: str, mapping: Mapping[str, Any], keys: Mapping[str, Key], *, strict: bool = True
) -> None:
    """Check all keys of a mapping: unknown ones, missing ones, values.

    Args:
        problems: Where problems go.
        path: Key path of the mapping, empty at the top.
        mapping: The options.
        keys: Table of known keys.
        strict: Whether a key that is not in the table is a problem.
    """
    for name, value in mapping.items():
        here = join_path(path, str(name))
        if name in keys:
            check_value(problems, here, value, keys[name])
        elif strict:
            problems.unknown(here, str(name), keys)
    for name, key in keys.items():
        if key.required and name not in mapping:
            problems.add(join_path(path, name), f"is missing; expected {key.expected}")
