"""Workers of a data loader that leave Ctrl-C and SIGTERM to the main process."""

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.sharedctypes import RawValue
from types import TracebackType
from typing import Any


def report_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Report what a thread of a worker did not catch, unless the main process just went away.

    A worker hands its batches over in a thread; a main process that is stopped in the middle of it closes the
    connection, and says itself why it stopped.
    """
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, traceback)


class WorkerSignals:
    """Start-up function of the workers of one loader.

    A terminal sends Ctrl-C to the whole process group, and torchrun its SIGTERM too. Workers that died of it would
    take the run down before its state is saved, so they ignore both until :meth:`release`; from then on SIGTERM ends
    them, which is how torch clears up workers that are left.

    Args:
        worker_init_fn: Start-up function that the loader had; called afterwards.
    """

    def __init__(self, worker_init_fn: Callable[[int], Any] | None) -> None:
        self._then = worker_init_fn
        self._released = RawValue("b", 0)  # shared with the workers, forked or spawned

    def __call__(self, worker_id: int) -> None:
        """Run in the worker when it starts."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_terminate)
        sys.excepthook = report_uncaught
        if self._then is not None:
            self._then(worker_id)

    def release(self) -> None:
        """Let SIGTERM end the workers again; called in the main process."""
        self._released.value = 1

    def _on_terminate(self, signum: int, frame: Any) -> None:
        if self._released.value:
            os._exit(128 + signum)
