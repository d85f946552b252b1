"""What an image is called: by its path, and which of such names can be written as files."""

import hashlib
import os
import unicodedata
from pathlib import Path

from segsr_arch.text import composed, printable

_LONGEST = 250  # in bytes, without its ending
_LONGEST_PORTABLE = 180  # file systems take 255 with the ending and what a partial file has around its name


def image_name(path: str | os.PathLike[str]) -> str:
    """Name an image by its path: without its ending (what follows the last dot), forward slashes, composed."""
    return composed(Path(path).with_suffix("").as_posix())


def is_lmdb(root: str | os.PathLike[str]) -> bool:
    """Whether a data root is an LMDB as BasicSR names them."""
    return os.fspath(root).rstrip("/").endswith(".lmdb")


def name_below(root: str | None, path: str) -> str:
    """Name an image of a BasicSR data set: :func:`image_name`, relative to the root if it lies in it.

    Args:
        root: ``dataroot_gt`` or ``dataroot_lq`` of its options; keys of an LMDB are names already.
        path: ``gt_path`` or ``lq_path`` of an item.
    """
    if root is not None and is_lmdb(root):
        return composed(path)
    below = os.path.basename(path) if root is None else os.path.relpath(path, root)
    return image_name(os.path.basename(path) if below.startswith(os.pardir + os.sep) else below)


def leads_out(name: str) -> bool:
    """Whether a name joined to a folder may lie elsewhere: an absolute one, or with an empty part, ``.`` or ``..``."""
    return bool({"", ".", ".."} & set(name.split("/")))


def image_name_problem(name: str) -> str | None:
    """Tell why an image cannot be written under a name that a list or a database gives it.

    Args:
        name: Name without ending, its parts divided by forward slashes.

    Returns:
        What is wrong, for a message; ``None`` if folder and name together are a path in that folder.
    """
    if leads_out(name):
        return f"{name!r} is a path out of its folder"
    if "\\" in name or printable(name) != name:
        return f"{name!r} contains backslashes or control characters"
    if max(len(part.encode()) for part in name.split("/")) > _LONGEST:
        return f"{name[:20]!r}... is longer than file names may be"
    return None


def portable_name(name: str) -> str:
    """Make a name that is a file name everywhere and an LMDB key: letters and digits of any script, no dot."""
    plain = "".join(
        character if character in "-_" or unicodedata.category(character)[0] in "LMN" else "_"
        for character in composed(name)
    )
    if len(plain.encode()) <= _LONGEST_PORTABLE:
        return plain
    return f"{plain.encode()[: _LONGEST_PORTABLE // 2].decode(errors='ignore')}-{name_digest(name)}"


def name_digest(name: str) -> str:
    """Eight hexadecimal digits that tell a name from others."""
    return hashlib.sha256(composed(name).encode(errors="surrogateescape")).hexdigest()[:8]
