"""Checks of ``path:``. BasicSR makes a folder of every key there that it does not know."""

import os
from collections.abc import Collection, Mapping
from typing import Any

from segsr_arch.config.mappings import check_value
from segsr_arch.config.problems import Problems, join_path
from segsr_arch.config.tables import PATH_INTERNAL
from segsr_arch.option_keys import Key

_PER_NETWORK = {"pretrain": Key("text"), "param_key": Key("text"), "strict_load": Key("bool", nullable=False)}


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
    section = opt.get("path")
    if not isinstance(section, Mapping):
        return
    networks = {"g", "d", *(str(key).removeprefix("network_") for key in opt if str(key).startswith("network_"))}
    known = {
        **{f"pretrain_network_{name}": _PER_NETWORK["pretrain"] for name in networks},
        **{f"param_key_{name}": _PER_NETWORK["param_key"] for name in networks},
        **{f"strict_load_{name}": _PER_NETWORK["strict_load"] for name in networks},
        "resume_state": Key("text"),
        "ignore_resume_networks": Key("texts"),
        **extra,
    }
    files = {"resume_state", *(name for name in known if name.startswith("pretrain_"))}
    for name, value in section.items():
        path = join_path("path", str(name))
        if name in PATH_INTERNAL and name not in extra:
            if not parsed:
                problems.add(path, f"is set by BasicSR itself, remove it; {PATH_INTERNAL[name]}")
        elif name not in known:
            problems.unknown(path, str(name), known, "unknown key, BasicSR would make a folder of it")
        elif check_value(problems, path, value, known[name]) and name in files - set(unread):
            check_file(problems, path, value)


def check_file(problems: Problems, path: str, value: str, *, expands: bool = True) -> bool:
    """Check that a path names an existing file.

    Args:
        problems: Where problems go.
        path: Key path of the value.
        value: Path as written in the option file.
        expands: Whether BasicSR takes ``~`` at its start for the home folder.

    Returns:
        Whether it does.
    """
    file = os.path.expanduser(value) if expands else value
    if os.path.isfile(file):
        return True
    if os.path.isdir(file):
        problems.add(path, f"{value} is a folder, expected a file")
    else:
        tilde = (
            "; BasicSR does not replace ~ here, write the whole path" if value.startswith("~") and not expands else ""
        )
        problems.add(path, f"{value} does not exist (looked in {os.getcwd()}){tilde}")
    return False
