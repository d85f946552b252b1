"""A pool of processes, one a core, that does not outlive its parent and leaves Ctrl-C to it."""

import functools
import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.synchronize import Lock
from typing import Any, Generic, TypeVar

import cv2

from segsr_arch.errors import DataError
from segsr_arch.running.processes import serve_parent

Worker = TypeVar("Worker")
Result = TypeVar("Result")
# A forked worker starts at once; elsewhere than on Linux forking is not safe.
_CONTEXT = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
_worker: Any = None  # what the tasks of this process are given


def lock_for_workers() -> Lock:
    """Make a lock that the workers of a pool share: what makes a worker may hold it."""
    return _CONTEXT.Lock()


def _set_up(make: Callable[[], Any]) -> None:
    global _worker
    serve_parent()
    _worker = make()


def _call(function: Callable[..., Result], task: tuple[Any, ...]) -> Result:
    return function(_worker, *task)


class WorkerPool(Generic[Worker]):
    """Runs functions over many tasks, in order; each process has one worker that the functions are given.

    Args:
        make: Makes the worker of a process; can be pickled.
        jobs: Number of processes; with 1 everything runs in this one.

    Raises:
        DataError: If the system does not let so many processes start.
    """

    def __init__(self, make: Callable[[], Worker], *, jobs: int) -> None:
        self._pool: ProcessPoolExecutor | None = None
        if jobs == 1:
            self._worker = make()
            return
        # OpenCV's threads do not survive a fork. A worker that sets their number waits for ever for the lost ones,
        # so the number is set here, before.
        self._threads = cv2.getNumThreads()
        cv2.setNumThreads(0)
        before = set(multiprocessing.active_children())
        try:
            pool = ProcessPoolExecutor(jobs, mp_context=_CONTEXT, initializer=_set_up, initargs=(make,))
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

    def run(
        self, function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], *, chunk: int = 1
    ) -> Iterator[Result]:
        """Yield ``function(worker, *task)`` for each task, in the order of the tasks.

        Args:
            function: Can be pickled, such as a method of the worker's class.
            tasks: Further arguments of each call.
            chunk: How many tasks a process is given at once.

        Raises:
            DataError: If a worker process was ended from outside.
        """
        if self._pool is None:
            for task in tasks:
                yield function(self._worker, *task)
            return
        try:
            yield from self._pool.map(functools.partial(_call, function), tasks, chunksize=chunk)
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
