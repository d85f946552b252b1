"""Annotations of Python, as far as a value from a YAML can be judged by them."""

import types
import typing
from typing import Any

from segsr_arch.option_keys import EXPECTED, KIND_OF_TYPE, PLURALS, SCHEMA_TYPES, has_kind


def _kind(hint: Any) -> str | None:
    return KIND_OF_TYPE.get(typing.get_origin(hint) or hint)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType)


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value may stand where a parameter or field has this annotation.

    Only annotations that name plain YAML types are judged; every other one fits everything.
    """
    parts = typing.get_args(hint)
    if _is_union(hint):
        return any(fits(value, part) for part in parts)
    if typing.get_origin(hint) is typing.Literal:
        return value in parts
    if hint is types.NoneType:
        return value is None
    kind = _kind(hint)
    if kind is None:
        return True
    if value is None or not has_kind(value, kind):
        return False
    if kind != "list" or not parts:
        return True
    if _length(hint) is None:
        return all(fits(entry, parts[0]) for entry in value)
    return len(value) == len(parts) and all(fits(entry, part) for entry, part in zip(value, parts, strict=True))


def _length(hint: Any) -> int | None:
    """Number of entries that a list must have, or ``None`` if it may have any."""
    parts = typing.get_args(hint)
    return len(parts) if typing.get_origin(hint) is tuple and ... not in parts else None


def hint_text(hint: Any) -> str:
    """Say what an annotation asks for, as someone writing YAML would."""
    parts = typing.get_args(hint)
    if _is_union(hint):
        judged = [part for part in parts if _kind(part) is not None or part is types.NoneType]
        return " or ".join(dict.fromkeys(map(hint_text, judged or parts)))
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(map(str, parts))
    if hint is types.NoneType:
        return "~"
    kind = _kind(hint)
    if kind is None:
        return getattr(hint, "__name__", str(hint))
    if kind == "list" and parts:
        length = _length(hint)
        return f"a list of {length} {_plural(parts[0])}" if length else f"a list of {_plural(parts[0])}"
    return EXPECTED[kind]


def hint_schema(hint: Any) -> dict[str, Any]:
    """Say in a JSON schema which values :func:`fits` lets through."""
    parts = typing.get_args(hint)
    if _is_union(hint):
        return {"anyOf": [hint_schema(part) for part in parts]}
    if typing.get_origin(hint) is typing.Literal:
        return {"enum": list(parts)}
    if hint is types.NoneType:
        return {"type": "null"}
    kind = _kind(hint)
    if kind is None:
        return {}
    schema: dict[str, Any] = {"type": SCHEMA_TYPES[kind][0]}
    if kind != "list" or not parts:
        return schema
    length = _length(hint)
    if length is None:
        return {**schema, "items": hint_schema(parts[0])}
    return {**schema, "prefixItems": [hint_schema(part) for part in parts], "minItems": length, "maxItems": length}


def _plural(hint: Any) -> str:
    kinds = [_kind(part) for part in (typing.get_args(hint) if _is_union(hint) else (hint,))]
    return next((PLURALS[kind] for kind in kinds if kind in PLURALS), "entries")
