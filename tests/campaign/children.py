"""Attempts in processes of their own: a crash, a hang or a wish for all memory ends one attempt, not the tests."""

import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from dataclasses import dataclass

_POLL_SECONDS = 0.005
_MORE_MEMORY = 3 << 30


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an attempt ended.

    Attributes:
        code: Its exit code, minus the signal that ended it, or ``None`` if it took too long and was killed.
        output: What it printed, errors included.
    """

    code: int | None
    output: str


def in_child(function, *, seconds):
    """Call a function in a forked process.

    Args:
        function: Gives the exit code; an exception that leaves it is printed as a traceback, exit code 70.
        seconds: How long it may take.

    Returns:
        How it ended. Data beyond 3 GiB more than this process has is refused to it.
    """
    with tempfile.TemporaryFile() as printed:
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            _run(function, printed.fileno())
        code = _wait(pid, seconds)
        printed.seek(0)
        return Ended(code=code, output=printed.read().decode("utf-8", "replace"))


def _run(function, descriptor):
    """What the child does; never returns."""
    code = 70
    try:
        os.setsid()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        # pytest has put objects of its own in their place
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (the process ends with it)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        limit = _data_size() + _MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        code = function()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc(file=sys.stderr)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 70)


def _data_size():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmData"))


def _wait(pid, seconds):
    give_up = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > give_up:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        time.sleep(_POLL_SECONDS)
