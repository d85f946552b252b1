"""Groups of options as dataclasses, whose fields carry all that is known of an option.

.. code-block:: python

    @dataclass(frozen=True, kw_only=True)
    class TileOptions(OptionGroup):
        section = "tile"

        size: int = option(64, help="side of a tile", unit="LR pixels", minimum=1)

From these fields come the check of a group's values (here), the keys that the check of option files knows, the JSON
schema that editors complete from, and the reference in the documentation. An option is added by one field.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint
from segsr_arch.option_keys import KIND_OF_TYPE, NO_DEFAULT, Key

_Group = TypeVar("_Group", bound="OptionGroup")
_Function = TypeVar("_Function", bound=Callable[..., Any])
_KEY = "key"


def option(
    default: Any = MISSING,
    *,
    help: str,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    choices: Sequence[str | None] = (),
    unit: str = "",
    what: str = "",
    unrecorded: str = "",
) -> Any:
    """Make a field of an option dataclass. Its kind, and whether it may be null, are what its annotation says.

    Args:
        default: Value where the option is left out; without one it must be given.
        help: What it does, a line.
        minimum: Least value of a number.
        above: A number must be larger than this.
        maximum: Largest value of a number.
        below: A number must be smaller than this.
        choices: The only texts that are allowed; with ``None`` among them, null is named as one.
        unit: What a number counts or measures (``LR pixels``).
        what: What to call a value in messages, if more can be said than its kind (``a folder``).
        unrecorded: Why a checkpoint does not depend on it, in groups whose options checkpoints record; without a
            reason it does, and says what it was trained with.

    Returns:
        The field.
    """
    key = {"minimum": minimum, "above": above, "maximum": maximum, "below": below, "unit": unit, "what": what}
    metadata = {"help": help, "choices": tuple(choices), "unrecorded": unrecorded, _KEY: key}
    return field(default=default, metadata=metadata)


def takes_fields_of(group: type) -> Callable[[_Function], _Function]:
    """Make a decorator of a function that hands its ``**keywords`` on to a dataclass: its signature shows the fields.

    The check of option files, editors and the documentation see the options of a network so, which are written down in
    the dataclass alone. A keyword that it does not know fails there. :func:`fields_taken_by` gives the dataclass.

    Args:
        group: The dataclass.

    Returns:
        The decorator, which changes the signature of a function and returns it.
    """

    def show(function: _Function) -> _Function:
        signature, hints = inspect.signature(function), typing.get_type_hints(group)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        keyword = inspect.Parameter.KEYWORD_ONLY
        taken = [
            inspect.Parameter(item.name, keyword, default=item.default, annotation=hints[item.name])
            for item in fields(group)
        ]
        known: Any = function
        known.fields_of = group
        known.__signature__ = signature.replace(parameters=[*own, *taken])
        keywords = next(p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD)
        shown = {name: hint for name, hint in known.__annotations__.items() if name != keywords}
        known.__annotations__ = shown | {p.name: p.annotation for p in taken}
        return function

    return show


def fields_taken_by(function: Callable[..., Any]) -> type | None:
    """Give the dataclass that :func:`takes_fields_of` lets a function take the fields of, if there is one."""
    group: type | None = getattr(function, "fields_of", None)
    return group


@functools.cache
def keys_of(group: type) -> Mapping[str, Key]:
    """Describe each field of a dataclass that an option file may set.

    Args:
        group: A dataclass; fields that :func:`option` did not make have their kind and their default alone.

    Returns:
        Descriptions by name, in the order of the fields.
    """
    hints = typing.get_type_hints(group)
    return {item.name: _key(item, hints[item.name]) for item in fields(group) if item.init}


def _key(item: "Field[Any]", hint: Any) -> Key:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    parts = typing.get_args(hint) if union else (hint,)
    kinds = [KIND_OF_TYPE.get(typing.get_origin(part) or part) for part in parts if part is not types.NoneType]
    has_default = not (item.default is MISSING and item.default_factory is MISSING)
    return Key(
        "|".join(kind for kind in kinds if kind) if all(kinds) else "any",
        required=not has_default,
        nullable=types.NoneType in parts,
        words=tuple(choice for choice in item.metadata.get("choices", ()) if choice is not None),
        help=item.metadata.get("help", ""),
        default=item.default if item.default is not MISSING else NO_DEFAULT,
        **item.metadata.get(_KEY, {}),
    )


@dataclass(frozen=True, kw_only=True)
class OptionGroup:
    """Base of option dataclasses: values are checked where one is made, and a mapping of an option file is read.

    Attributes:
        section: Where the options stand in an option file, for messages.
        shares_section: Whether others read keys of this section, too, so that an unknown one is not wrong.

    Raises:
        ConfigError: If a value is of the wrong kind or out of range.
    """

    section: ClassVar[str]
    shares_section: ClassVar[bool] = False

    def __post_init__(self) -> None:
        group: type = type(self)
        choices = {item.name: item.metadata.get("choices", ()) for item in fields(self)}
        for name, key in keys_of(group).items():
            value = getattr(self, name)
            if key.nullable if value is None else key.fits(value) and not key.exceeded(value):
                continue
            raise ConfigError(f"{self.section}: {name}: {_complaint(key, choices[name], value)}.")

    @classmethod
    def read(cls: type[_Group], options: Mapping[str, Any] | None) -> _Group:
        """Make a group of the mapping that an option file gives.

        Args:
            options: Names and values; ``None`` leaves every default.

        Raises:
            ConfigError: If a name is not known, the nearest known one is named, or all of them; or a value is wrong.
        """
        options = options or {}
        known = [item.name for item in fields(cls) if item.init]
        for name in options:
            if name not in known and not cls.shares_section:
                hint = nearest_hint(name, known) or f"; known are: {', '.join(known)}"
                raise ConfigError(f"{cls.section}: {name} is not an option{hint}")
        return cls(**{name: value for name, value in options.items() if name in known})

    @classmethod
    def recorded_names(cls) -> tuple[str, ...]:
        """Names of the options that a checkpoint depends on, in the order of the fields: all that say no reason."""
        return tuple(item.name for item in fields(cls) if not item.metadata.get("unrecorded"))


def _complaint(key: Key, choices: Sequence[str | None], value: Any) -> str:
    """Say what a value must be instead, as the end of a sentence."""
    if choices:
        if None in choices:
            return f"must be {', '.join(key.words)} or null, got {value!r}"
        return f"{value!r} is not known; use one of {', '.join(key.words)}"
    text = key.what or Key(key.kind).expected
    bounds = " and ".join(key.bounds)
    if key.unit:
        text = f"{text} of {key.unit}" + (f", {bounds}" if bounds else "")
    elif bounds:
        text += f" {'of ' if bounds.startswith('at ') else ''}{bounds}"
    return f"must be {text}{' or null' if key.nullable else ''}, got {value!r}"
