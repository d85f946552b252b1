"""Checking options that become keyword arguments: networks, losses, metrics, optimizers, option dataclasses."""

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from segsr_arch.compat import registration
from segsr_arch.config.hints import fits, hint_text
from segsr_arch.config.problems import Problems
from segsr_arch.option_keys import describe, is_number


def find_registered(here: Problems, registry: Any, name: Any) -> Any:
    """Look a name up in one of BasicSR's registries, as BasicSR will.

    Args:
        here: Where the name stands.
        registry: ``ARCH_REGISTRY`` or one of its kind.
        name: The name in the option file.

    Returns:
        The registered object, or ``None``.
    """
    if not isinstance(name, str):
        return None
    if here.names_may_follow and name not in registry:
        return None  # what is imported later may register it, and a name of this package gives way to that
    found = registration.find(registry, name)
    if found is None:
        here.unknown(name, registration.names(registry), f"{name!r} is not registered")
    return found


def _annotations(target: Callable) -> dict[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        # names that only a type checker imports: such annotations say nothing here
        return {}


def check_argument(here: Problems, value: Any, hint: Any, default: Any) -> None:
    """Check one value against an annotation or, without one, against a numeric default.

    Null is let through where it is the default, and where there is no annotation: what it means is the callee's
    business then.
    """
    if value is None and default is None:
        return
    if hint is not inspect.Parameter.empty:
        if not fits(value, hint):
            here.add(f"expected {hint_text(hint)}, got {describe(value)}")
    elif is_number(default) and isinstance(value, (str, bool)):
        here.add(f"expected a number such as the default {default!r}, got {describe(value)}")


def check_call(
    here: Problems,
    options: Mapping[str, Any],
    target: Callable,
    *,
    also_known: Iterable[str] = ("type",),
    given: Iterable[str] = (),
    kwargs_is_sink: bool = False,
) -> None:
    """Check that options can be passed to a callable as keyword arguments.

    Args:
        here: Where the options stand.
        options: The options, with the keys of ``also_known``, which are not passed on.
        target: Class or function.
        also_known: Keys that somebody else reads.
        given: Parameters that the caller fills in.
        kwargs_is_sink: Whether ``**kwargs`` of the target swallows names unread, so that unknown ones are wrong.
    """
    parameters = dict(inspect.signature(target).parameters)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values()) and not kwargs_is_sink
    parameters = {
        name: p
        for name, p in parameters.items()
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and name not in given
    }
    hints = _annotations(target)
    known = {*parameters, *also_known}
    for name, value in options.items():
        if name in parameters:
            check_argument(here.at(name), value, hints.get(name, inspect.Parameter.empty), parameters[name].default)
        elif name not in known and not open_ended:
            here.at(name).unknown(str(name), known, f"{getattr(target, '__name__', target)} has no such option")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            here.at(name).add(f"is missing; {getattr(target, '__name__', target)} needs it")


def check_dataclass(here: Problems, options: Mapping[str, Any], cls: type) -> None:
    """Check that options are fields of a configuration dataclass, of the right types.

    Args:
        here: Where the options stand.
        options: The options.
        cls: The dataclass.
    """
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    hints = typing.get_type_hints(cls)
    for name, value in options.items():
        if name in fields:
            check_argument(here.at(name), value, hints[name], fields[name].default)
        else:
            here.at(name).unknown(str(name), fields)
    for name, field in fields.items():
        if name not in options and field.default is field.default_factory is dataclasses.MISSING:
            here.at(name).add("is missing")
