"""The check of values and mappings against descriptions of known options."""

from collections.abc import Mapping
from typing import Any

from segsr_arch.config.problems import Problems
from segsr_arch.files.names import folder_name_problem
from segsr_arch.option_keys import Key, describe


def section_of(opt: Any, *keys: str) -> Mapping[str, Any]:
    """Give a section of the options, or an empty one where there is none.

    Args:
        opt: The options.
        keys: Names of the section and of those above it.
    """
    for key in keys:
        opt = opt.get(key) if isinstance(opt, Mapping) else None
    return opt if isinstance(opt, Mapping) else {}


def check_folder_name(here: Problems, name: Any, *, use: str = "becomes a folder name") -> None:
    """Check that a text can be the name of a folder, or a part of the names of files.

    Args:
        here: Where it stands.
        name: The text; anything else is checked elsewhere.
        use: What it becomes.
    """
    problem = folder_name_problem(name) if isinstance(name, str) else None
    if problem:
        here.add(problem.replace("becomes a folder name", use))


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
