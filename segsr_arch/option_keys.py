"""What one option may be: its kind, its bounds, and the words for both.

:class:`Key` describes an option wherever one is described: in the tables of BasicSR's own options, in
``option_keys`` of a model or data set class, and for each field of an option dataclass
(:mod:`segsr_arch.option_fields`).
"""

import math
import operator
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

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
SCHEMA_TYPES = {  # of JSON
    "text": ("string",),
    "int": ("integer",),
    "count": ("integer",),
    "number": ("number",),
    "bool": ("boolean",),
    "list": ("array",),
    "mapping": ("object",),
    "texts": ("string", "array"),
}
PLURALS = {"int": "whole numbers", "count": "whole numbers", "number": "numbers", "text": "texts", "bool": "true/false"}
KIND_OF_TYPE: dict[Any, str] = {
    int: "int",
    float: "number",
    str: "text",
    Literal: "text",  # all of them are
    bool: "bool",
    list: "list",
    tuple: "list",
    Sequence: "list",
    dict: "mapping",
    Mapping: "mapping",
}
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 80
_SHORT.maxlevel = 3
_BOUNDS: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
    ("minimum", "at least", operator.ge),
    ("above", "above", operator.gt),
    ("maximum", "at most", operator.le),
    ("below", "below", operator.lt),
)
NO_DEFAULT: Any = object()


@dataclass(frozen=True)
class Key:
    """One known option.

    Attributes:
        kind: ``text``, ``int``, ``count`` (a whole number that may be written as 5e3), ``number``, ``bool``,
            ``list``, ``mapping``, ``texts`` (text or a list), several of them joined by ``|``, or ``any``.
        required: Whether leaving the key out is a problem.
        nullable: Whether ``~`` is a value that the code behind copes with.
        words: Texts allowed beside the kind; with kind ``text``, the only ones allowed.
        minimum: Least value of a number.
        above: A number must be larger than this.
        maximum: Largest value of a number.
        below: A number must be smaller than this.
        items: Kind of the entries of a list; empty if they may be anything.
        keys: Known keys of a mapping; ``None`` if they are checked elsewhere or free.
        entries: Known keys of a list's entries, which are mappings, by what their ``type`` says; a value is checked
            by whoever reads it. ``None`` for other lists.
        help: What it does, for editors and the documentation.
        default: What holds where it is left out; :data:`NO_DEFAULT` where that is not known.
        unit: What a number counts or measures (``LR pixels``).
        what: What to call a value, if more can be said than its kind (``a folder``).
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
    entries: "Mapping[str, Mapping[str, Key]] | None" = None
    help: str = ""
    default: Any = NO_DEFAULT
    unit: str = ""
    what: str = ""

    @property
    def expected(self) -> str:
        """What to tell a user who gave something else."""
        kind = f"a list of {PLURALS[self.items]}" if self.items else _kinds_in_words(self.kind)
        parts = [] if self.kind == "text" and self.words else [kind]
        text = " or ".join([*parts, *self.words])
        return ", ".join([text, *self.bounds])

    @property
    def bounds(self) -> list[str]:
        """The bounds of a number in words (``at least 0``)."""
        return [text for text, _, _ in self._limits()]

    def fits(self, value: Any) -> bool:
        """Tell whether a value that is not null is one of the words, or of the kind with its entries."""
        if isinstance(value, str) and value in self.words:
            return True
        if self.kind == "text" and self.words:
            return False
        entries = value if self.items and isinstance(value, (list, tuple)) else ()
        return has_kind(value, self.kind) and all(has_kind(entry, self.items) for entry in entries)

    def exceeded(self, value: Any) -> list[str]:
        """The bounds, in words, that a value does not keep to; none if it is no number."""
        return [text for text, holds, limit in self._limits() if is_number(value) and not holds(value, limit)]

    def _limits(self) -> list[tuple[str, Callable[[float, float], bool], float]]:
        found = [(word, holds, getattr(self, name)) for name, word, holds in _BOUNDS]
        return [(f"{word} {limit}", holds, limit) for word, holds, limit in found if limit is not None]


def needed(kind: str, **rest: Any) -> Key:
    """Describe a key that must be there with a value."""
    return Key(kind, required=True, nullable=False, **rest)


def is_number(value: Any) -> TypeGuard[float]:
    """Tell finite numbers from everything else, ``true`` and ``false`` included."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_whole(value: Any) -> TypeGuard[int]:
    """Tell whole numbers (``int``, never ``bool``) from everything else."""
    return isinstance(value, int) and not isinstance(value, bool)


def has_kind(value: Any, kind: str) -> bool:
    """Tell whether a value that is not null is of a kind (see :class:`Key`)."""
    if "|" in kind:
        return any(has_kind(value, part) for part in kind.split("|"))
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
    types: dict[str, Any] = {"text": str, "bool": bool, "list": (list, tuple), "mapping": Mapping}
    return isinstance(value, types[kind])


def describe(value: Any) -> str:
    """Name a value and its type as someone writing YAML would, however long it is."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, bool):
        return f"{str(value).lower()} (true/false)"
    if isinstance(value, str):
        return f"{_SHORT.repr(value)} (text)"
    return "nothing (~)" if value is None else _SHORT.repr(value)


def _kinds_in_words(kind: str) -> str:
    return " or ".join(EXPECTED[part] for part in kind.split("|"))
