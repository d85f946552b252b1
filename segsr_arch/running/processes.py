"""Processes: the cores they may use, whether one still runs, and children that end with their parent."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PARENT = "SEGSR_PARENT"  # variable by which a command learns who has started it
_PR_SET_PDEATHSIG = 1


def available_cores() -> int:
    """Count the cores that the scheduler gives this process, which can be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_each(processes: int) -> int:
    """Share the cores among so many processes; none gets more threads than ``OMP_NUM_THREADS``, where that is set."""
    threads, given = max(1, available_cores() // processes), os.environ.get("OMP_NUM_THREADS", "")
    return min(threads, int(given)) if given.isdigit() and int(given) else threads


def let_waiting_threads_sleep() -> None:
    """Let OpenMP's threads sleep when they wait, before torch starts them: else they spin, and keep a core from others.

    What computes beside a network in threads of its own (reading, compressing, writing) has the cores then in between.
    What the user has set stays; processes that are started from now on inherit it.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def give_back_memory() -> None:
    """Give what malloc holds and nobody uses back to the system, where it can be asked to (glibc); costs a millisecond.

    Arrays of many sizes that come and go leave gaps, so that a process would grow for as long as it works.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def is_running(pid: int) -> bool:
    """Tell whether a process of this machine runs; where that cannot be asked (Windows), it is taken to."""
    if os.name == "nt":
        return True
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state not in ("Z", "X")  # has ended, and whoever started it has not asked yet how


def end_with_parent(parent: int, *, signum: int | None = None) -> bool:
    """Let this process get a signal when its parent ends, however that ends.

    The kernel watches the thread that has started this process; it must live as long as the parent is meant to.

    Args:
        parent: Process that has started this one. If it has ended already, the signal comes at once.
        signum: The signal; ``None`` takes SIGKILL.

    Returns:
        Whether the system can do that; it is Linux's ``prctl``.
    """
    if sys.platform != "linux":
        return False
    signum = signal.SIGKILL if signum is None else signum  # Windows has no signal of that name
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0) != 0:
        return False
    # It may have ended before the kernel was asked; one that runs and is none of ours has a fork server between us.
    if os.getppid() != parent and not is_running(parent):
        os.kill(os.getpid(), signum)
    return True


def serve_parent() -> None:
    """Let a process that ``multiprocessing`` has started end with the one that wanted it, and leave Ctrl-C to that."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    # The kernel would watch over a fork server, which stays as long as a process of its own does.
    is_child = parent.pid is not None and os.getppid() == parent.pid
    if not is_child or not end_with_parent(os.getppid()):
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not as the command, which a forked worker is a copy of


def _leave_with(parent: Any) -> None:
    parent.join()
    os._exit(1)  # the parent was killed: nobody is left to clean up for


class WorkerOfThis:
    """Start-up function of the workers of a data loader that end with the process that has made it.

    Args:
        then: Start-up function that the loader had; called afterwards.
    """

    def __init__(self, then: Callable[[int], Any] | None) -> None:
        self._main = os.getpid()
        self._then = then

    def __call__(self, worker_id: int) -> None:
        """Run in the worker when it starts."""
        end_with_parent(self._main)
        if self._then is not None:
            self._then(worker_id)


def child_variables() -> dict[str, str]:
    """Environment variables by which a command of this package ends with this process, see :func:`heed_parent`."""
    return {_PARENT: str(os.getpid())}


def heed_parent() -> None:
    """End by SIGTERM with the command that has started this one, if it is one of this package that wants that."""
    parent = os.environ.pop(_PARENT, None)  # what this process starts is not meant
    if parent is not None and parent.isdecimal():
        end_with_parent(int(parent), signum=signal.SIGTERM)
