"""Workers of a data loader that leave Ctrl-C and SIGTERM to the main process."""

import os
import signal
from collections.abc import Callable
from multiprocessing.sharedctypes import RawValue
from typing import Any


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
        if self._then is not None:
            self._then(worker_id)

    def release(self) -> None:
        """Let SIGTERM end the workers again; called in the main process."""
        self._released.value = 1

    def _on_terminate(self, signum: int, frame: Any) -> None:
        if self._released.value:
            os._exit(128 + signum)
