"""Files below a folder: links to folders are followed, and names are found in whichever form the disk has them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from segsr_arch.errors import DataError
from segsr_arch.text import composed


def _refuse_folder(error: OSError) -> None:
    # os.walk passes over folders that it cannot read, unless it is told.
    raise DataError(f"{error.filename}: the folder cannot be read ({error.strerror})") from error


def walk(
    root: str | os.PathLike[str], left_out: list[tuple[str, str]], *, passes_over: Callable[[str], bool] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Go through a folder and all below it, those behind symbolic links included, each in the order of the names.

    Args:
        root: The folder.
        left_out: Is extended by what is neither file nor folder, and by links that lead back to a folder above them:
            path below the root and what is wrong.
        passes_over: Tells by its name which folder is not looked into.

    Yields:
        Path of a folder below the root (``.`` for itself), and the names of the files in it.

    Raises:
        DataError: If a folder cannot be read.
    """
    top = os.fspath(root)
    above = {top: frozenset([_identity(top)])}
    for folder, below, names in os.walk(top, followlinks=True, onerror=_refuse_folder):
        inside, known = os.path.relpath(folder, top), above.pop(folder)
        followed = []
        for name in sorted(below):
            if passes_over is not None and passes_over(name):
                continue
            path = os.path.join(folder, name)
            identity = _identity(path)
            if identity in known:
                left_out.append((_joined(inside, name), "a link back to a folder above it; not followed"))
            else:
                above[path] = known | {identity}
                followed.append(name)
        below[:] = followed
        files = []
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                files.append(name)
            else:
                what = "a link to nothing" if os.path.islink(path) else "neither a file nor a folder"
                left_out.append((_joined(inside, name), f"{what}; left out"))
        yield inside, files


def _identity(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        _refuse_folder(error)
    return found.st_dev, found.st_ino


def _joined(inside: str, name: str) -> str:
    return name if inside == "." else f"{inside}/{name}"


def on_disk(path: str | os.PathLike[str]) -> Path:
    """Find a file by a name whose letters are composed otherwise than on the disk (``é`` as one character or two).

    Args:
        path: Path of a file or folder.

    Returns:
        The path as it is on the disk; as it was given if there is none.
    """
    path = Path(path)
    if str(path).isascii() or path == path.parent or path.exists():
        return path
    folder = on_disk(path.parent)
    if (folder / path.name).exists() or not folder.is_dir():
        return folder / path.name
    wanted = composed(path.name)
    return next((entry for entry in folder.iterdir() if composed(entry.name) == wanted), path)
