"""Locks on what a command writes: one process at a time, and the next one is told who it is.

A lock is a hidden file beside what is written, so that it stays where it is if that is renamed. The operating system
holds it for the process (``flock``), and lets go when the process ends in whatever way: a file that a killed command
has left behind does not keep anybody out. Who holds it stands in a second file.
"""

import contextlib
import errno
import json
import logging
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

from segsr_arch.errors import InUseError, SaveError
from segsr_arch.files.atomic import atomic_write, hidden_name, remove_left_over
from segsr_arch.running.processes import is_running

PATIENCE = 2.0
"""Seconds to wait for another process, such as one that was just killed and is about to end."""

_NO_LOCKS = {getattr(errno, name) for name in ("ENOSYS", "ENOLCK", "ENOTSUP", "EOPNOTSUPP") if hasattr(errno, name)}

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(target: str | os.PathLike[str], *, lock: str | os.PathLike[str] | None = None) -> Iterator[None]:
    """Hold a file or folder for this process while the block runs, and clear away what killed processes left in it.

    Args:
        target: What is written; it need not be there yet, and may be renamed meanwhile. The folder above it is made,
            and removed if nothing was written to it.
        lock: Where the lock file lies; hidden beside ``target`` if it is not given. In ``target`` it can only lie if
            that is never renamed.

    Raises:
        InUseError: If another process holds it; process, command and machine are named.
        SaveError: If nothing can be written there.
    """
    target = Path(os.path.abspath(target))
    lock = lock_file(target) if lock is None else Path(os.path.abspath(lock))
    _check_name(target)
    made = [folder for folder in (lock.parent, *lock.parent.parents) if not folder.exists()]
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(lock, timeout=PATIENCE, thread_local=False)
        held.acquire()
    except filelock.Timeout as error:
        raise InUseError(
            f"{target} is in use{_by(lock)}. Wait until that has ended, or choose another name."
        ) from error
    except NotImplementedError:
        held = None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise SaveError(
                f"{target}: cannot be written to ({error.strerror or error}); choose another folder."
            ) from error
        held = None
    if held is None:
        logger.warning("%s: this file system knows no locks; see to it that nothing else writes there.", target)
        yield
        return
    try:
        for path in (target, _holder_file(lock)):
            remove_left_over(path)
        _note_holder(lock)
        yield
    finally:
        # While it is held: nobody else can have taken it. Who waits for the file that is gone looks for a new one.
        for path in (_holder_file(lock), lock):
            with contextlib.suppress(OSError):
                path.unlink()
        held.release()
        with contextlib.suppress(OSError):  # they hold something by now, as a rule
            for folder in made:
                folder.rmdir()


def lock_file(target: str | os.PathLike[str]) -> Path:
    """Where the lock of a file or folder lies if nothing else was said."""
    target = Path(os.path.abspath(target))
    return target.with_name(hidden_name(target.name, ".lock"))


def check_free(folder: str | os.PathLike[str], pattern: str) -> None:
    """Make sure that nobody holds something in a folder.

    Args:
        folder: Where it lies; need not be there.
        pattern: Glob pattern of lock files, seen from the folder.

    Raises:
        InUseError: If a process holds one; it is named.
    """
    for path in sorted(Path(folder).glob(pattern)):
        try:
            with filelock.FileLock(path, timeout=PATIENCE, thread_local=False):
                pass
        except filelock.Timeout as error:
            raise InUseError(f"{folder} is in use{_by(path)}. Wait until that has ended, or end it.") from error
        except (OSError, NotImplementedError):  # read-only, or without locks: what writes there will tell
            continue


def _check_name(target: Path) -> None:
    try:
        os.lstat(target)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise SaveError(f"{target}: cannot be written ({error.strerror}).") from error


def _holder_file(lock: Path) -> Path:
    return lock.with_name(f"{lock.name.removesuffix('.lock')}.held")


def _note_holder(lock: Path) -> None:
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": shlex.join(_command_line())}
    with contextlib.suppress(SaveError), atomic_write(_holder_file(lock)) as file:  # of use to others alone
        file.write(json.dumps(holder).encode())


def _command_line() -> list[str]:
    """The command as a user would type it: the program's name, not its path."""
    program, *arguments = sys.orig_argv if not sys.argv[0] else sys.argv
    path = Path(program)
    if path.name == "__main__.py":
        path = path.parent
    return [path.stem if path.suffix == ".py" else path.name, *arguments]


def _by(lock: Path) -> str:
    """Say who holds a lock, as far as it is known."""
    try:
        holder: dict[str, Any] = json.loads(_holder_file(lock).read_text("utf-8"))
        pid, host, command = int(holder["pid"]), str(holder["host"]), str(holder["command"])
    except (OSError, ValueError, TypeError, KeyError):
        return " by another process"
    if host != socket.gethostname():
        return f" by process {pid} on {host} ({command})"
    return f" by process {pid} ({command})" if is_running(pid) else " by another process"
