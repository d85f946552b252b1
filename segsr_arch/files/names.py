"""Names that become folders: what they may be, so that nothing is written outside of its destination."""

import hashlib
import os
import re

from segsr_arch.text import printable

LONGEST_FOLDER = 180
"""In bytes. File systems take 255, and ``_archived_<time>`` or the names of logs are put around a folder's name."""
_SET_ASIDE = re.compile(r"_archived_\d{8}_\d{6}(_\d+)?$")


def folder_name_problem(name: str) -> str | None:
    """Tell why a name cannot become a folder.

    Args:
        name: What a user calls a run or a data set.

    Returns:
        What is wrong, for a message; ``None`` if nothing is.
    """
    if name.strip() in ("", ".", "..") or {os.sep, "/", "\\", "\0"} & set(name):
        return f"{name!r} becomes a folder name: it must not be empty, . or .., or contain slashes"
    if printable(name) != name:
        return f"{name!r} becomes a folder name: it must not contain control characters"
    if len(name.encode()) > LONGEST_FOLDER:
        return f"{name[:20]!r}... becomes a folder name: its {len(name.encode())} bytes are more than {LONGEST_FOLDER}"
    if is_set_aside(name):
        return (
            f"{name!r} becomes a folder name: it must not begin with a point or end like a run that was archived, or "
            f"nobody would look into it"
        )
    return None


def folder_of(name: str) -> str:
    """Choose the folder of a method or data set, whatever it is called: its name, unless a folder cannot have it.

    Args:
        name: A name in any letters, such as ``HAT``, ``..``, or one of 300 letters.

    Returns:
        The name itself; or what can be kept of it and a digest, so that different names get different folders. It is
        never hidden, and never one that :func:`is_set_aside` passes over.
    """
    if folder_name_problem(name) is None:
        return name
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
    kept = re.sub(r"[^\w.-]+", "_", name).lstrip(".").encode(errors="replace")[: LONGEST_FOLDER // 2]
    return f"{kept.decode(errors='ignore') or 'method'}-{digest}"


def is_set_aside(name: str) -> bool:
    """Whether a folder of that name holds what was replaced since, or what was never finished."""
    return name.startswith(".") or _SET_ASIDE.search(name) is not None
