"""Files and folders that are either whole or not there: write beside, flush to the disk, rename."""

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from segsr_arch.errors import SaveError
from segsr_arch.running.processes import is_running

LONGEST_NAME = 255
"""Bytes of the name of a file, on the usual file systems."""
_PARTIAL = re.compile(r"\..+(\.(\d+)-[0-9a-f]+\.partial)")
_unfinished: set[str] = set()  # names that this process is writing


def hidden_name(name: str, ending: str) -> str:
    """Make the name of a hidden file that belongs to another file; a name that would be too long is cut.

    Args:
        name: Name of the other file.
        ending: What is appended.

    Returns:
        ``.<name><ending>``. Of a long name its beginning and a digest are left, so that no two give the same.
    """
    encoded, room = os.fsencode(name), LONGEST_NAME - 1 - len(os.fsencode(ending))
    if len(encoded) > room:
        digest = hashlib.sha256(encoded).hexdigest()[:16]
        name = f"{encoded[: room - 17].decode(errors='ignore')}~{digest}"
    return f".{name}{ending}"


def partial_path(path: str | os.PathLike[str]) -> Path:
    """Make up a name beside ``path`` for what is unfinished.

    It is hidden, so that BasicSR's folder scans pass over it, says which process writes it, and differs each time, so
    that two saves of one file do not disturb each other, and none meets what an earlier process of that number left.
    """
    path = Path(path)
    return path.with_name(hidden_name(path.name, f".{os.getpid()}-{secrets.token_hex(4)}.partial"))


def is_partial(name: str) -> bool:
    """Whether a file or folder of that name is unfinished."""
    return _PARTIAL.fullmatch(name) is not None


def left_over(folder: str | os.PathLike[str], *, of: str | None = None) -> list[Path]:
    """Unfinished files and folders in a folder whose process has ended, for instance after ``kill -9``.

    Args:
        folder: Where to look; it need not be there.
        of: Name of a file or folder in it: then only what was to become this.

    Returns:
        Their paths, sorted. What a process of this machine is writing right now is not among them.
    """
    try:
        matches = [match for name in os.listdir(folder) if (match := _PARTIAL.fullmatch(name))]
    except OSError:
        return []
    return sorted(
        Path(folder, match[0])
        for match in matches
        if _is_left(match) and (of is None or match[0] == hidden_name(of, match[1]))
    )


def _is_left(match: re.Match[str]) -> bool:
    pid = int(match[2])
    return match[0] not in _unfinished if pid == os.getpid() else not is_running(pid)


def remove_left_over(path: str | os.PathLike[str]) -> None:
    """Remove what killed processes have left unfinished of a file or folder, and anywhere in the folder.

    What cannot be removed stays.

    Args:
        path: The file or folder; it need not be there.
    """
    path = Path(path)
    found = left_over(path.parent, of=path.name)
    for folder, folders, files in os.walk(path):
        if any(map(is_partial, (*folders, *files))):
            found += left_over(folder)
    for partial in found:
        _remove(partial)


def _remove(path: Path) -> None:
    """Remove a file or folder if that is possible: an error that is being told must not give way to another one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def partial_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a folder beside ``path``, for what is to become it; the caller renames it.

    Args:
        path: What the folder is to be called; folders above it are made.

    Yields:
        The folder, empty. It is removed when the block ends, if it is still there.

    Raises:
        SaveError: If it cannot be made.
    """
    partial = partial_path(path)
    _unfinished.add(partial.name)
    try:
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            partial.mkdir()
        except OSError as error:
            raise SaveError(f"{path}: cannot be made ({error.strerror}); choose another folder.") from error
        yield partial
    finally:
        _remove(partial)
        _unfinished.discard(partial.name)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that takes the name ``path`` only once it is completely on the disk.

    Args:
        path: Where the file shall be; its folder must exist. An older file of that name stays until the new one is
            whole, and for good if the block raises.

    Yields:
        A file object opened for writing bytes.

    Raises:
        SaveError: If the operating system refuses, for instance because the disk is full. Other exceptions raised in
            the block pass through unchanged. Nothing half-written stays behind either way.
    """
    path = Path(path)
    partial = partial_path(path)
    existed = os.path.lexists(path)
    _unfinished.add(partial.name)
    try:
        with open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        _remove(partial)
        if isinstance(error, OSError) and not isinstance(error, SaveError):
            raise SaveError(_refusal(path, existed, error)) from error
        raise
    finally:
        _unfinished.discard(partial.name)
    sync_folder(path.parent)


def _refusal(path: Path, existed: bool, error: OSError) -> str:
    free = ""
    with contextlib.suppress(OSError):
        free = f" ({shutil.disk_usage(path.parent).free / 2**20:.1f} MB free in {path.parent})"
    kept = "the previous file of that name is intact" if existed else "files saved earlier are intact"
    reason = error.strerror or error  # the file that it names is the partial one
    return (
        f"Cannot write {path}: {reason}{free}. Nothing half-written was left, and {kept}. "
        "Free some space or fix the folder, then resume."
    )


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut.

    Raises:
        SaveError: If the operating system refuses.
    """
    if os.name == "nt":  # folders cannot be opened there, and the file system keeps a journal of names
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder, and one that may be written to need not be readable. The
        # file itself is on the disk and has its name.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EACCES):
            raise SaveError(f"Cannot sync the folder {folder}: {error}") from error
