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


def parameters_of(target: Callable[..., Any], *, given: Iterable[str] = ()) -> dict[str, inspect.Parameter]:
    """Parameters of a class or function that an option file may give, by name, their annotations resolved.

    Args:
        target: Class or function.
        given: Parameters that the caller fills in.

    Returns:
        Annotations that say nothing here, because only a type checker imports their names, are empty.
    """
    function = target.__init__ if inspect.isclass(target) else target
    try:
        hints = typing.get_type_hints(function)
    except (NameError, TypeError):
        hints = {}
    return {
        name: parameter.replace(annotation=hints.get(name, inspect.Parameter.empty))
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and name not in given
    }


def is_open_ended(target: Callable[..., Any]) -> bool:
    """Whether a class or function takes keyword arguments of any name."""
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(target).parameters.values())


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
    target: Callable[..., Any],
    *,
    also_known: Iterable[str] = ("type",),
    given: Iterable[str] = (),
    kwargs_is_sink: bool = False,
) -> None:
    """Check that options can be passed to a callable as keyword arguments.

    Args:
        here: Where the options stand.
        options: The options, with the keys of ``also_known``, which are not passed on.
        target: Class, function, or dataclass of options.
        also_known: Keys that somebody else reads.
        given: Parameters that the caller fills in.
        kwargs_is_sink: Whether ``**kwargs`` of the target swallows names unread, so that unknown ones are wrong.
    """
    parameters = parameters_of(target, given=given)
    open_ended = is_open_ended(target) and not kwargs_is_sink
    known = {*parameters, *also_known}
    name_of = getattr(target, "__name__", target)
    unknown = "unknown key" if dataclasses.is_dataclass(target) else f"{name_of} has no such option"
    for name, value in options.items():
        if name in parameters:
            check_argument(here.at(name), value, parameters[name].annotation, parameters[name].default)
        elif name not in known and not open_ended:
            here.at(name).unknown(str(name), known, unknown)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            here.at(name).add(f"is missing; {name_of} needs it")
