"""How a repair recognises what is broken, and puts a working function in its place."""

import importlib
import inspect
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

_substituted: list[tuple[Any, Any]] = []  # (old, new) of this process


def is_stock(function: Callable[..., Any], *names: str) -> bool:
    """Whether a function is still the one that BasicSR was released with.

    Args:
        function: Function or method, decorated or not.
        *names: Names and string constants that the broken code uses. A fork that has mended it lacks some of them.

    Returns:
        True if the code lies in a module of ``basicsr`` and uses all ``names``.
    """
    function = inspect.unwrap(function)
    if function.__globals__["__name__"].partition(".")[0] != "basicsr":
        return False
    code = function.__code__
    return set(names) <= {*code.co_names, *code.co_consts}


def replace_stock(owner: Any, name: str, new: Any, *, uses: Sequence[str]) -> bool:
    """Put ``new`` in the place of a function of BasicSR, or of a method, if it is still the one that is broken.

    Args:
        owner: Its module, or its class.
        name: Its name.
        new: What takes its place: in every module that has copied a function's name, in the class of a method.
        uses: Names that the broken code uses, see :func:`is_stock`.

    Returns:
        True if it was replaced.
    """
    return wrap_stock(owner, name, lambda _: new, uses=uses)


def wrap_stock(owner: Any, name: str, wrap: Callable[[Any], Any], *, uses: Sequence[str]) -> bool:
    """As :func:`replace_stock`, with what ``wrap`` makes of the broken function."""
    stock = getattr(owner, name)
    if not is_stock(stock, *uses):
        return False
    if isinstance(owner, type):
        setattr(owner, name, wrap(stock))
    else:
        substitute(stock, wrap(stock))
    return True


def module_or_none(name: str) -> ModuleType | None:
    """Import a module of basicsr; ``None`` where a copy of it leaves that one out."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            return None
        raise


def substitute(old: Any, new: Any) -> None:
    """Put ``new`` in the place of ``old`` in every loaded module, in place.

    ``from x import y`` copies names: ``basicsr.train``, ``basicsr`` itself and a user's script each have their own.

    Args:
        old: Function or class, compared by identity.
        new: What takes its place.
    """
    _substituted.append((old, new))
    for module in list(sys.modules.values()):
        if not isinstance(module, ModuleType):
            continue
        # Not vars(module): that would load a module whose import is postponed until its first use.
        names = object.__getattribute__(module, "__dict__")
        for name, value in list(names.items()):
            if value is old:
                names[name] = new


def reach_script() -> None:
    """Repeat all substitutions in the script, in place.

    A module that was started as a script (``python basicsr/train.py``) is there twice. Its functions are not those of
    the module of that name, and those below the line that imports this package come after the repairs.
    """
    script = vars(sys.modules["__main__"])
    for old, new in _substituted:
        for name, value in list(script.items()):
            if value is old or _is_twin(value, old):
                script[name] = new


def _is_twin(value: Any, old: Any) -> bool:
    """Whether a function of the script is the one that a module of basicsr has, too."""
    if not (inspect.isfunction(value) and inspect.isfunction(old) and value.__module__ == "__main__"):
        return False
    value, old = inspect.unwrap(value), inspect.unwrap(old)  # all that one decorator wraps have the same code
    return bool(value.__globals__["__name__"] == "__main__" and value.__code__ == old.__code__)
