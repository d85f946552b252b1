"""What a known option looks like, and the check of a mapping against a table of them."""

import math
import operator
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from segsr_arch.config.problems import Problems, join_path

EXPECTED = {
    "text": "text",
    "int": "a whole number",
    "count": "a whole number",
    "number": "a number",
    "bool": "true or false",
    "list": "a list",
    "mapping": "a mapping of keys",
    "texts": "text or a list of texts",
}
PLURALS = {"int": "whole numbers", "count": "whole numbers", "number": "numbers", "text": "texts", "bool": "true/false"}
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlevel = 3
_BOUNDS: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
    ("minimum", "at least", operator.ge),
    ("above", "above", operator.gt),
    ("maximum", "at most", operator.le),
    ("below", "below", operator.lt),
)


@dataclass(frozen=True)
class Key:
    """One known option.

    Attributes:
        kind: ``text``, ``int``, ``count`` (a whole number that may be written as 5e3), ``number``, ``bool``,
            ``list``, ``mapping``, ``texts`` (text or a list) or ``any``.
        required: Whether leaving the key out is a problem.
        nullable: Whether ``~`` is a value that the code behind copes with.
        words: Texts allowed beside the kind; with kind ``text``, the only ones allowed.
        minimum: Least value of a number.
        above: A number must be larger than this.
        maximum: Largest value of a number.
        below: A number must be smaller than this.
        items: Kind of the entries of a list; empty if they may be anything.
        keys: Known keys of a mapping; ``None`` if they are checked elsewhere or free.
    """

    kind: str
    required: bool = False
    nullable: bool = True
    words: tuple[str, ...] = ()
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    below: float | None = None
    items: str = ""
    keys: "Mapping[str, Key] | None" = None

    @property
    def expected(self) -> str:
        """What to tell a user who gave something else."""
        kind = f"a list of {PLURALS[self.items]}" if self.items else EXPECTED[self.kind]
        parts = [] if self.kind == "text" and self.words else [kind]
        text = " or ".join([*parts, *self.words])
        return ", ".join([text, *self.demands(None)])

    def demands(self, value: float | None) -> list[str]:
        """Bounds that a number does not keep to (``at least 0``); all bounds if it is ``None``."""
        limits = [
            (f"{word} {limit}", holds, limit)
            for name, word, holds in _BOUNDS
            if (limit := getattr(self, name)) is not None
        ]
        return [text for text, holds, limit in limits if value is None or not holds(value, limit)]


def needed(kind: str, **rest: Any) -> Key:
    """Describe a key that must be there with a value."""
    return Key(kind, required=True, nullable=False, **rest)


def is_number(value: Any) -> bool:
    """Tell finite numbers from everything else, ``true`` and ``false`` included."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> bool:
    """Tell whole numbers (``int``, never ``bool``) from everything else."""
    return isinstance(value, int) and not isinstance(value, bool)


def has_kind(value: Any, kind: str) -> bool:
    """Tell whether a value that is not null is of a kind (see :class:`Key`)."""
    if kind == "int":
        return is_whole(value)
    if kind == "count":
        return is_whole(value) or (isinstance(value, float) and value.is_integer())
    if kind == "number":
        return is_number(value)
    if kind == "texts":
        return isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))
    if kind == "any":
        return True
    return isinstance(value, {"text": str, "bool": bool, "list": (list, tuple), "mapping": Mapping}[kind])


def describe(value: Any) -> str:
    """Name a value and its type as someone writing YAML would, however long it is."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true/false)"
    if isinstance(value, str):
        return f"{_SHORT.repr(value)} (text)"
    return "nothing (~)" if value is None else _SHORT.repr(value)


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
    if isinstance(value, str) and value in key.words:
        return True
    only_words = key.kind == "text" and key.words
    wrong_items = key.items and isinstance(value, (list, tuple)) and not all(has_kind(v, key.items) for v in value)
    if only_words or not has_kind(value, key.kind) or wrong_items:
        problems.add(path, f"expected {key.expected}, got {describe(value)}")
        return False
    demands = key.demands(value) if is_number(value) else []
    if demands:
        problems.add(path, f"must be {' and '.join(demands)}, got {describe(value)}")
        return False
    if key.keys is not None:
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
