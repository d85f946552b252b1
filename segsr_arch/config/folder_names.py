"""Names in option files and commands that become folders."""

import os


def folder_name_problem(name: str) -> str | None:
    """Tell why a name cannot become a folder.

    Args:
        name: What a user calls a run, a method or a data set.

    Returns:
        What is wrong, for a message; ``None`` if nothing is.
    """
    if name.strip() in ("", ".", "..") or {os.sep, "/", "\\", "\0"} & set(name):
        return f"{name!r} becomes a folder name: it must not be empty, . or .., or contain slashes"
    return None
