"""Processes that do long tasks, each for itself: the death of one costs the task that it was at, and no other."""

import contextlib
import multiprocessing
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from segsr_arch.errors import SegsrError, first_line
from segsr_arch.running.processes import serve_parent

Worker = TypeVar("Worker")
Task = TypeVar("Task")
Result = TypeVar("Result")

TICK_SECONDS = 1.0
"""How long a team waits for its members before it lets the caller show that it is alive."""
_STOP_SECONDS = 15.0  # what is interrupted cleans up first


@dataclass(frozen=True)
class Lost:
    """What comes instead of a result where the process that was to give it has ended.

    Attributes:
        reason: How it ended, and how often, for a message.
    """

    reason: str


class WorkerTeam(Generic[Worker]):
    """Runs a function over many tasks in processes that are made for it, each with one worker made once.

    A process that ends before its task is done (killed, out of memory, crashed) is replaced, and the task is done
    again, after the others. What a pool of :mod:`concurrent.futures` has at hand would be lost with the first such
    process.

    Args:
        make: Makes the worker of a process, there; can be pickled.
        jobs: Number of processes.
        retries: How often a task is begun again whose process has ended.
    """

    def __init__(self, make: Callable[[], Worker], *, jobs: int, retries: int = 2) -> None:
        self._make = make
        self._jobs = jobs
        self._retries = retries
        # Not forked from here: torch's threads, which may have computed by now, do not survive a fork.
        self._context: Any = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
        if sys.platform != "win32":
            self._context.set_forkserver_preload(["segsr_arch"])  # imported once for all of them

    def run(
        self,
        function: Callable[[Worker, Task], Result],
        tasks: Sequence[Task],
        *,
        begun: Callable[[Task], None] = lambda task: None,
        tick: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[int, Result | Lost]]:
        """Yield for each task, as they are done, its position and ``function(worker, task)``.

        When the iteration is left, in whatever way, the processes are interrupted (``KeyboardInterrupt`` is raised in
        ``function``), and killed if they take too long.

        Args:
            function: Can be pickled, as are tasks and results. What it raises ends the process: it should not.
            tasks: The tasks.
            begun: Called with each task when a process is given it.
            tick: Called at least every second while something runs.

        Raises:
            SegsrError: What ``make`` raises; or if processes end again and again while they start.
        """
        waiting, left = deque(range(len(tasks))), len(tasks)
        begins: Counter[int] = Counter()
        false_starts = 0
        members = [self._start() for _ in range(min(self._jobs, len(tasks)))]
        try:
            while left:
                for member in members:
                    if member.is_free and waiting and member.give((function, tasks[waiting[0]]), waiting[0]):
                        position = waiting.popleft()
                        begins[position] += 1
                        begun(tasks[position])
                ready = wait([member.connection for member in members], TICK_SECONDS)
                tick()
                for member in [each for each in members if each.connection in ready]:
                    at_hand = member.at_hand
                    if member.receive():
                        if at_hand is not None:
                            left -= 1
                            yield at_hand, member.result
                        continue
                    members.remove(member)
                    ending = member.bury()
                    if at_hand is None:
                        false_starts += 1
                        if false_starts > self._retries:
                            raise SegsrError(
                                f"Worker processes end while they start ({ending}), perhaps for lack of memory: give "
                                f"fewer workers than {self._jobs}."
                            )
                    elif begins[at_hand] > self._retries:
                        left -= 1
                        yield at_hand, lost(ending, begins[at_hand])
                    else:
                        waiting.append(at_hand)
                    if len(members) < min(self._jobs, left):
                        members.append(self._start())
        finally:
            _stop(members)

    def _start(self) -> "_Member":
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        with _held_interrupts():  # by which the process would end, with a traceback, before it can ignore them
            process.start()
        theirs.close()  # or its end would not be noticed
        return _Member(process, ours)


class _Member:
    """A process, seen from the one that has started it.

    Attributes:
        connection: To the process.
        at_hand: Position of the task that it was given.
        is_free: Whether it has started and has no task.
        result: What came of the last task.
    """

    def __init__(self, process: BaseProcess, connection: "Connection[Any, Any]") -> None:
        self.connection = connection
        self.at_hand: int | None = None
        self.is_free = False
        self.result: Any = None
        self._process = process

    def give(self, work: tuple[Any, Any], position: int) -> bool:
        """Give it a task; tells whether it could be given, which it cannot where the process has ended."""
        try:
            self.connection.send(work)
        except OSError:
            return False  # as `wait` says next
        finally:
            self.is_free = False
        self.at_hand = position
        return True

    def receive(self) -> bool:
        """Take what has come from it; false if the process has ended instead.

        Raises:
            SegsrError: What its worker could not be made for.
        """
        try:
            refusal, self.result = self.connection.recv()
        except (EOFError, OSError):
            return False
        if refusal is not None:
            raise refusal
        self.is_free, self.at_hand = True, None
        return True

    def bury(self) -> str:
        """Wait for the end of a process that has closed its connection; gives how it ended."""
        self.connection.close()
        self._process.join(_STOP_SECONDS)
        code = self._process.exitcode
        if code is None:
            self._process.kill()
            self._process.join()
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"by {signal.Signals(-code).name}"
            return f"by signal {-code}"
        return f"with exit code {code}"

    def dismiss(self) -> None:
        """Interrupt it, or let it end by itself if it has no task."""
        self.connection.close()
        if self.at_hand is not None or not self.is_free:
            self._process.terminate()

    def await_end(self, seconds: float) -> None:
        """Wait for its end so long, and kill it."""
        try:
            self._process.join(max(0.0, seconds))
        finally:  # also where a second Ctrl-C ends the patience
            if self._process.exitcode is None:
                self._process.kill()
            self._process.join()


def _stop(members: Sequence[_Member]) -> None:
    for member in members:
        member.dismiss()
    deadline = time.monotonic() + _STOP_SECONDS
    interrupted = False
    for member in members:
        try:
            member.await_end(0.0 if interrupted else deadline - time.monotonic())
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt


def lost(ending: str, times: int) -> Lost:
    """Say of a task that its process has ended so many times, the last time in a certain way (``by SIGKILL``)."""
    often = "once" if times == 1 else f"each of {times} times"
    return Lost(
        f"its worker process was ended {ending}, {often}, perhaps for lack of memory: give fewer workers, or smaller "
        "tiles or batches"
    )


def as_refusal(error: Exception) -> SegsrError:
    """Make of what has kept a worker from being made an error that comes through to another process."""
    if isinstance(error, SegsrError):
        return type(error)(str(error))
    return SegsrError(f"A worker process cannot start: {first_line(error)}")


@contextlib.contextmanager
def _held_interrupts() -> Iterator[None]:
    """Hold Ctrl-C back in a block, and in what is started there for good; it comes afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let them through when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: "Connection[Any, Any]", make: Callable[[], Any]) -> None:
    """What a process of a team does: make its worker, say so, do tasks until there are no more."""
    serve_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    # The team is no more: the connection has ended, or is reset where something on it was left unread.
    with contextlib.suppress(KeyboardInterrupt, EOFError, ConnectionError):
        try:
            worker = make()
        except Exception as error:  # whatever it is, others of the team meet it as well
            connection.send((as_refusal(error), None))
            return
        connection.send((None, None))
        while True:
            function, task = connection.recv()
            connection.send((None, function(worker, task)))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
