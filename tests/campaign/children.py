"""Attempts in processes of their own: a crash, a hang or a wish for all memory ends one attempt, not the tests."""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
from dataclasses import dataclass

import pytest

_MORE_MEMORY = 3 << 30
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="attempts are forked")
# The children are forked from a process that has imported what they need and computed nothing: once other tests have
# made torch start the threads of its autograd engine, it refuses a backward pass in every fork.
_FORKS = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
if hasattr(os, "fork"):
    _FORKS.set_forkserver_preload(["segsr_arch.cli.basicsr", "segsr_arch.cli.segsr", "basicsr.train", "basicsr.test"])


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an attempt ended.

    Attributes:
        code: Its exit code, minus the signal that ended it, or ``None`` if it took too long and was killed.
        output: What it printed, errors included.
    """

    code: int | None
    output: str


def in_child(function, *args, cwd, seconds):
    """Call a function in a process of its own.

    Args:
        function: Function of a module, called with the arguments. It gives the exit code; an exception that leaves it
            is printed as a traceback, exit code 70.
        *args: Its arguments; they are pickled.
        cwd: Working directory.
        seconds: How long it may take.

    Returns:
        How it ended. Data beyond 3 GiB more than a process has at its start is refused to it.
    """
    with tempfile.NamedTemporaryFile() as printed:
        process = _FORKS.Process(target=_run, args=(function, args, os.fspath(cwd), printed.name))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
            code = None
        else:
            code = process.exitcode
        return Ended(code=code, output=printed.read().decode("utf-8", "replace"))


def segsr(*arguments):
    """Run ``segsr`` with these arguments, for :func:`in_child`."""
    from segsr_arch.cli.segsr import main

    return main([str(argument) for argument in arguments])


def basicsr(*arguments):
    """Run ``basicsr`` with these arguments, for :func:`in_child`."""
    from segsr_arch.cli.basicsr import main

    return main([str(argument) for argument in arguments])


def _run(function, args, cwd, printed):
    """What the child does; never returns."""
    code = 70
    try:
        os.setsid()
        descriptor = os.open(printed, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 (the process ends with it)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        limit = _data_size() + _MORE_MEMORY
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        os.chdir(cwd)
        code = function(*args)
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
