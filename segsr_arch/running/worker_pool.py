"""A pool of preparation workers, one a core, that does not outlive its parent and leaves Ctrl-C to it."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import cv2

from segsr_arch.errors import DataError
from segsr_arch.preparation.lmdb_writing import write_lmdb
from segsr_arch.preparation.worker import Workshop
from segsr_arch.running.processes import end_with_parent

_workshop: Workshop | None = None


def _leave_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)  # the parent was killed: nobody is left to clean up for


def _end_with_parent() -> None:
    if not end_with_parent(multiprocessing.parent_process().pid):
        threading.Thread(target=_leave_with_parent, daemon=True).start()


def _set_up(workshop: dict) -> None:
    """Prepare this process for work; ``workshop`` holds the arguments of :class:`Workshop`."""
    global _workshop
    _workshop = Workshop(**workshop)


def _set_up_worker(workshop: dict) -> None:
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # not as the command, which a forked worker is a copy of
    _set_up(workshop)


def inspect(task: tuple):
    """Run :meth:`Workshop.inspect` in a worker."""
    return _workshop.inspect(*task)


def make(task: tuple):
    """Run :meth:`Workshop.make` in a worker."""
    return _workshop.make(task)


def build_lmdb(task: tuple):
    """Run :func:`write_lmdb` in a worker; the task is folder, entries and scratch folder."""
    folder, entries, scratch = task
    write_lmdb(folder, entries, scratch=scratch)
    return folder


class WorkerPool:
    """Runs the functions of this module over many tasks, in order.

    Args:
        jobs: Number of processes; with 1 everything runs in this one.
        workshop: Arguments of :class:`Workshop`.

    Raises:
        DataError: If the system does not let so many processes start.
    """

    def __init__(self, *, jobs: int, workshop: dict):
        self._pool = None
        if jobs == 1:
            _set_up(workshop)
            return
        # OpenCV's threads do not survive a fork. A worker that sets their number waits for ever for the lost ones,
        # so the number is set here, before.
        self._threads = cv2.getNumThreads()
        cv2.setNumThreads(0)
        # A forked worker starts at once; elsewhere than on Linux forking is not safe.
        context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        before = set(multiprocessing.active_children())
        try:
            pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_set_up_worker, initargs=(workshop,))
            pool.submit(int)  # starts them, or shows now that they cannot be started
        except (OSError, RuntimeError) as error:  # RuntimeError: "can't start new thread"
            # Those that have started wait for work, and Python would wait for them at its end.
            for process in set(multiprocessing.active_children()) - before:
                process.kill()
                process.join()
            cv2.setNumThreads(self._threads)
            raise DataError(
                f"{jobs} processes cannot be started ({error}): the limits of open files or processes are too low here "
                "(ulimit -n, ulimit -u). Raise them, or give a smaller --jobs; --jobs 1 starts none."
            ) from error
        self._pool = pool

    def run(self, function: Callable, tasks: Sequence, *, chunk: int = 1) -> Iterator:
        """Yield the function's result for each task, in the order of the tasks.

        Raises:
            DataError: If a worker process was ended from outside.
        """
        if self._pool is None:
            yield from map(function, tasks)
            return
        try:
            yield from self._pool.map(function, tasks, chunksize=chunk)
        except BrokenProcessPool as error:
            raise DataError(
                "a worker process was ended from outside, perhaps for lack of memory; "
                "the same command goes on where it stopped, --jobs 1 needs the least memory"
            ) from error

    def close(self) -> None:
        """End the processes; tasks that have not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            cv2.setNumThreads(self._threads)
