"""Files that are either whole or not there: write beside, flush to the disk, rename."""

import contextlib
import errno
import itertools
import os
import shutil
from pathlib import Path

import torch

from segsr_arch.errors import SaveError

_serial = itertools.count()


def partial_files(path):
    """Unfinished files that writing ``path`` has left behind, for instance after ``kill -9``.

    Args:
        path: The final path as given to :func:`atomic_write`, its last part may be a glob pattern.

    Returns:
        List of paths in the same folder. A process that is writing right now has one there, too.
    """
    path = Path(path)
    return sorted(path.parent.glob(f".{path.name}.*-*.partial"))


@contextlib.contextmanager
def atomic_write(path):
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
    # Hidden, so that BasicSR's folder scans pass over it; unique, so that a save in a signal handler can start
    # while another one of the same file is under way.
    partial = path.with_name(f".{path.name}.{os.getpid()}-{next(_serial)}.partial")
    existed = path.exists()
    try:
        with open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, SaveError):
            raise SaveError(_refusal(path, existed, error)) from error
        raise
    _sync_folder(path.parent)


def atomic_torch_save(obj, path):
    """``torch.save`` through :func:`atomic_write`.

    Args:
        obj: What ``torch.save`` takes.
        path: Where the file shall be.

    Raises:
        SaveError: If it cannot be written; a file that was there before is intact.
    """
    with atomic_write(path) as file:
        try:
            torch.save(obj, file)
        except RuntimeError as error:  # what torch makes of an OSError while it writes
            raise OSError(str(error.__context__ or error)) from error


def _refusal(path, existed, error):
    free = ""
    if path.parent.is_dir():
        free = f" ({shutil.disk_usage(path.parent).free / 2**20:.1f} MB free in {path.parent})"
    kept = "the previous file of that name is intact" if existed else "files saved earlier are intact"
    return (
        f"Cannot write {path}: {error}{free}. Nothing half-written was left, and {kept}. "
        "Free some space or fix the folder, then resume."
    )


def _sync_folder(folder):
    """Make a rename in this folder survive a power cut."""
    if os.name == "nt":  # folders cannot be opened there, and the file system keeps a journal of names
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder. The file itself is on the disk and has its name.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise SaveError(f"Cannot sync the folder {folder}: {error}") from error
    finally:
        os.close(descriptor)
