"""Checks of ``path:``. BasicSR makes a folder of every key there that it does not know."""

import os
from collections.abc import Collection, Mapping
from typing import Any

from segsr_arch.config.mappings import check_value, section_of
from segsr_arch.config.problems import Problems
from segsr_arch.config.tables import PATH, PATH_INTERNAL, PATH_PER_NETWORK
from segsr_arch.option_keys import Key


def check_paths(
    problems: Problems, opt: Mapping[str, Any], extra: Mapping[str, Key], *, parsed: bool, unread: Collection[str]
) -> None:
    """Check the ``path:`` section: known keys, and files that exist.

    Args:
        problems: Where problems go.
        opt: The options.
        extra: Further keys that the model declares.
        parsed: Whether BasicSR has completed the options by its own folders.
        unread: Keys whose files are not read in this run.
    """
    networks = {"g", "d", *(str(key).removeprefix("network_") for key in opt if str(key).startswith("network_"))}
    known = {f"{name}_{label}": key for name, key in PATH_PER_NETWORK.items() for label in networks} | PATH
    known |= extra
    files = {"resume_state", *(name for name in known if name.startswith("pretrain_"))}
    for name, value in section_of(opt, "path").items():
        here = problems.at("path", name)
        if name in PATH_INTERNAL and name not in extra:
            if not parsed:
                here.add(f"is set by BasicSR itself, remove it; {PATH_INTERNAL[name]}")
        elif name not in known:
            here.unknown(str(name), known, "unknown key, BasicSR would make a folder of it")
        elif check_value(here, value, known[name]) and name in files - set(unread):
            check_file(here, value)


def check_file(here: Problems, value: str, *, expands: bool = True) -> bool:
    """Check that a path names an existing file.

    Args:
        here: Where the value stands.
        value: Path as written in the option file.
        expands: Whether BasicSR takes ``~`` at its start for the home folder.

    Returns:
        Whether it does.
    """
    file = os.path.expanduser(value) if expands else value
    if os.path.isfile(file):
        return True
    if os.path.isdir(file):
        here.add(f"{value} is a folder, expected a file")
    else:
        tilde = (
            "; BasicSR does not replace ~ here, write the whole path" if value.startswith("~") and not expands else ""
        )
        here.add(f"{value} does not exist (looked in {os.getcwd()}){tilde}")
    return False
