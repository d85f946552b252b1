"""``imports:`` of an option file: Python modules that register networks, data sets, losses or metrics of a user's own.

.. code-block:: yaml

    imports: [my_package.networks, networks/my_net.py]

This makes an option file code: whoever runs it runs these modules.

A file is imported as Python imports a script's neighbours: by its name without ``.py``, its folder at the end of the
module path. So it may import files that lie beside it, and processes that a data loader starts find it, too.
"""

import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segsr_arch.compat.logger_setup import basicsr_not_set_up
from segsr_arch.compat.repairs import spawned_workers
from segsr_arch.config.mappings import check_value
from segsr_arch.config.problems import Problems
from segsr_arch.config.tables import TOP
from segsr_arch.errors import first_line

KEY = "imports"
_TAKEN = re.compile(r"An object named '(.+)' was already registered in '(.+)' registry")


def find_modules(problems: Problems, opt: Mapping[str, Any]) -> dict[str, str]:
    """Find what an option file names under ``imports:``; nothing is run.

    Args:
        problems: Where problems go: an entry that is no module's name or file, or that is not there.
        opt: The options.

    Returns:
        The name to import for each entry, the entry as key.
    """
    given: Any = opt.get(KEY)
    if not check_value(problems.at(KEY), given, TOP[KEY]):
        return {}
    entries = [given] if isinstance(given, str) else given
    names = {entry: _module_name(problems.at(KEY, entry), entry) for entry in entries}
    return {entry: name for entry, name in names.items() if name is not None}


def import_modules(problems: Problems, names: Mapping[str, str]) -> None:
    """Import modules, each once in a process. This runs their code.

    Args:
        problems: Where problems go: an import that raises, and a name that is registered already.
        names: What :func:`find_modules` has found.
    """
    for entry, name in names.items():
        _import(problems.at(KEY, entry), name)
    spawned_workers.repair()  # for the data sets that are registered now


def import_entries(entries: Sequence[str], *, source: str) -> None:
    """Import modules and files that a command line names as ``imports:`` does.

    Args:
        entries: Names of modules and paths of files.
        source: Where they were named, for the message.

    Raises:
        ConfigError: If one cannot be found or imported.
    """
    problems = Problems()
    import_modules(problems, find_modules(problems, {KEY: list(entries)}))
    problems.raise_if_any(source)


def imports_from_anywhere(opt: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give ``imports:`` for an option file that lies elsewhere, files by absolute paths; empty if there are none."""
    given = opt.get(KEY) or []
    entries = [given] if isinstance(given, str) else given
    files = {entry: Path(entry).expanduser() for entry in entries if Path(entry).suffix == ".py"}
    return {KEY: [str(files[entry].absolute()) if entry in files else entry for entry in entries]} if entries else {}


def imported_code(opt: Mapping[str, Any]) -> list[str]:
    """Say which files ``imports:`` of an option file has run, a line each, for the log of a run."""
    modules = [sys.modules[name] for name in find_modules(Problems(), opt).values() if name in sys.modules]
    files = [getattr(module, "__file__", None) or module.__name__ for module in modules]
    return [f"{KEY}: {file} is code and was run" for file in files]


def _module_name(here: Problems, entry: str) -> str | None:
    """Find the name under which a module is to be imported; the folder of a file is added to the module path."""
    path = Path(entry).expanduser()
    if path.suffix != ".py":
        if all(part.isidentifier() for part in entry.split(".")):
            return entry
        text = "expected the name of a module, such as my_package.networks, or the path of a .py file"
        here.add(text)
        return None
    if not path.is_file():
        here.add(f"there is no such file (seen from {Path.cwd()})")
        return None
    path = path.absolute()
    name = path.stem
    if "." in name:
        here.add("a module's name has no dots; rename the file")
        return None
    if name in sys.modules:
        taken = getattr(sys.modules[name], "__file__", None) or "Python"
    else:
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
        importlib.invalidate_caches()
        taken = getattr(importlib.util.find_spec(name), "origin", None) or "Python"
    if not os.path.exists(taken) or not path.samefile(taken):
        here.add(f"another module is called {name} already, the one of {taken}; rename the file")
        return None
    return name


def _import(here: Problems, name: str) -> None:
    try:
        with basicsr_not_set_up():
            importlib.import_module(name)
    except MemoryError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            here.add(f"cannot be imported ({first_line(error)}{_place(error)}); install it")
            return
        file = Path(*name.split(".")).with_suffix(".py")
        hint = f"write {file} to import the file" if file.is_file() else "is its folder in PYTHONPATH?"
        here.add(f"there is no such module ({error}); {hint}")
    except SystemExit as error:
        here.add(f"ends the program when it is imported (exit code {error.code}{_place(error)})")
    except Exception as error:  # code from elsewhere raises any kind
        taken = _TAKEN.match(str(error))
        if taken:
            here.add(
                f"registers the {taken[2]} {taken[1]!r}, a name that is taken; rename the class, or register it with "
                f"a suffix: {taken[2].upper()}_REGISTRY.register(suffix='mine') makes it {taken[1]}_mine",
            )
            return
        here.add(f"cannot be imported ({first_line(error)}{_place(error)})")


def _place(error: BaseException) -> str:
    """Where an error arose, in the code that was imported and not in Python's import machinery."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    return f", line {frames[-1].lineno} of {frames[-1].filename}" if len(frames) > 1 else ""
