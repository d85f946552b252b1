"""Checks of ``path:``. BasicSR makes a folder of every key there that it does not know."""

import os
from collections.abc import Mapping
from typing import Any

from segsr_arch.config.problems import Problems, join_path
from segsr_arch.config.schema import Key, check_value
from segsr_arch.config.tables import PATH_INTERNAL

_PER_NETWORK = {"pretrain": Key("text"), "param_key": Key("text"), "strict_load": Key("bool", nullable=False)}


def check_paths(problems: Problems, opt: Mapping[str, Any], extra: Mapping[str, Key]) -> None:
    """Check the ``path:`` section: known keys, and files that exist.

    Args:
        problems: Where problems go.
        opt: The options.
        extra: Further keys that the model declares.
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
    for name, value in section.items():
        path = join_path("path", str(name))
        if name in PATH_INTERNAL:
            continue
        if name not in known:
            problems.unknown(path, str(name), known, "unknown key, BasicSR would make a folder of it")
        elif check_value(problems, path, value, known[name]) and name.startswith(("resume_state", "pretrain_")):
            check_file(problems, path, value)


def check_file(problems: Problems, path: str, value: str) -> bool:
    """Check that a path names an existing file.

    Args:
        problems: Where problems go.
        path: Key path of the value.
        value: Path as written in the option file; ``~`` at its start is the home folder.

    Returns:
        Whether it does.
    """
    file = os.path.expanduser(value)
    if os.path.isfile(file):
        return True
    if os.path.isdir(file):
        problems.add(path, f"{value} is a folder, expected a file")
    else:
        problems.add(path, f"{value} does not exist (looked in {os.getcwd()})")
    return False
