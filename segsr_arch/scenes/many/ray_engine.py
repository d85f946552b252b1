"""Tasks of a cluster: Ray Core runs them, begins those again whose worker has died, and is started if there is none."""

import contextlib
import importlib
import logging
import os
import signal
import socket
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from segsr_arch.errors import ConfigError, DependencyError, SegsrError, first_line
from segsr_arch.replacing import replaced
from segsr_arch.running.processes import available_cores
from segsr_arch.running.worker_team import TICK_SECONDS, Lost, as_refusal, lost

Worker = TypeVar("Worker")
Task = TypeVar("Task")
Result = TypeVar("Result")

ADDRESS = "RAY_ADDRESS"
_STORE_BYTES = 100 << 20  # what is passed on is reports, not rasters; Ray would take a third of the memory
_STOP_SECONDS = 15.0  # what is interrupted cleans up first
_CONNECT_SECONDS = 10.0
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}

_workers: dict[str, Any] = {}  # of this process of Ray's, by the run that they belong to


def run_with_ray(
    make: Callable[[], Worker],
    function: Callable[[Worker, Task], Result],
    tasks: Sequence[Task],
    *,
    workers: int | None,
    retries: int,
    begun: Callable[[Task], None] = lambda task: None,
    tick: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Result | Lost]]:
    """Yield for each task, as they are done, its position and ``function(worker, task)``, as a team of workers does.

    Args:
        make: Makes the worker of a process, there, once; can be pickled.
        function: Can be pickled, as are tasks and results.
        tasks: The tasks.
        workers: How many at a time; ``None`` is as many as the cluster has GPUs, or cores if it has none. In this
            process they share the cores, in a cluster each has one; GPUs are shared in both.
        retries: How often a task is begun again whose process has ended.
        begun: Called with each task when it is handed over.
        tick: Called at least every second while something runs.

    Raises:
        DependencyError: If Ray is not installed.
        ConfigError: If the cluster that ``RAY_ADDRESS`` names does not answer.
        SegsrError: What ``make`` raises.
    """
    waiting, left = deque(range(len(tasks))), len(tasks)
    begins: Counter[int] = Counter()
    with _ray(workers) as (ray, is_ours):
        share, at_once = _share(ray.cluster_resources(), workers, divides_cores=is_ours)
        # Ray's own retries of a task that memory is lacking for have no end.
        remote = ray.remote(max_retries=0, **share)(_do)
        job = (uuid.uuid4().hex, os.getcwd(), make, function)
        running: dict[Any, int] = {}
        try:
            while left:
                while waiting and len(running) < at_once:
                    position = waiting.popleft()
                    running[remote.remote(*job, tasks[position])] = position
                    begins[position] += 1
                    begun(tasks[position])
                ready, _ = ray.wait(list(running), timeout=TICK_SECONDS)
                tick()
                for reference in ready:
                    position = running.pop(reference)
                    try:
                        refusal, result = ray.get(reference)
                    except ray.exceptions.RayTaskError as error:
                        raise as_refusal(error.cause if isinstance(error.cause, Exception) else error) from None
                    except ray.exceptions.RayError as error:
                        if begins[position] > retries:
                            left -= 1
                            yield position, lost(f"({first_line(error)})", begins[position])
                        else:
                            waiting.append(position)
                        continue
                    if refusal is not None:
                        raise refusal
                    left -= 1
                    yield position, result
        finally:
            _cancel(ray, list(running))


def _do(
    run: str, folder: str, make: Callable[[], Any], function: Callable[[Any, Any], Any], task: Any
) -> tuple[Exception | None, Any]:
    """What a process of Ray's does for a task: its result, or why its worker could not be made."""
    with contextlib.suppress(OSError):  # of another machine: paths must be absolute there
        os.chdir(folder)
    if run not in _workers:
        _workers.clear()
        try:
            _workers[run] = make()
        except Exception as error:
            return as_refusal(error), None
    return None, function(_workers[run], task)


def _share(resources: dict[str, float], workers: int | None, *, divides_cores: bool) -> tuple[dict[str, float], int]:
    """Divide what a cluster has: the share of a task, and how many run at once."""
    gpus, cores = resources.get("GPU", 0.0), resources.get("CPU", 1.0)
    at_once = workers or max(1, int(gpus or cores))
    share = {"num_cpus": float(max(1, int(cores) // at_once)) if divides_cores else 1.0}
    if gpus:
        share["num_gpus"] = 1.0 if gpus >= at_once else max(0.0001, int(gpus / at_once * 10_000) / 10_000)
    return share, at_once


def _cancel(ray: Any, references: Sequence[Any]) -> None:
    """Interrupt what still runs, and give it the time to clean up."""
    for reference in references:
        ray.cancel(reference, force=False)
    if references:
        ray.wait(list(references), num_returns=len(references), timeout=_STOP_SECONDS)


@contextlib.contextmanager
def _ray(workers: int | None) -> Iterator[tuple[Any, bool]]:
    """Ray, connected to a cluster: the caller's, the one that is named, or one for the block; whether the last."""
    try:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise DependencyError("--engine ray needs Ray: pip install 'segsr-arch[ray]'") from error
    if ray.is_initialized():
        yield ray, False
        return
    named = os.environ.get(ADDRESS, "")
    is_named = named not in ("", "local")
    if is_named:
        _check_answers(named)
    try:
        with _kept_signals():
            _start(ray, workers, is_named=is_named)
    except Exception as error:  # that is what Ray raises where one of its processes does not answer in time
        ray.shutdown()
        if is_named:
            raise ConfigError(_unreachable(named, error)) from error
        raise SegsrError(f"Ray cannot be started here ({first_line(error)}); --workers does without it.") from error
    try:
        with _deaths_unsaid():
            yield ray, not is_named
    finally:
        ray.shutdown()


def _start(ray: Any, workers: int | None, *, is_named: bool) -> None:
    """Connect to the cluster that is named, or start one."""
    if is_named:
        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
        return
    ray.init(
        address="local",
        num_cpus=max(available_cores(), workers or 1),
        object_store_memory=_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _check_answers(address: str) -> None:
    """Make sure that something listens where a cluster is to be: Ray would try for minutes.

    Raises:
        ConfigError: If nothing does.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ConfigError(_unreachable(address, error)) from error


def _unreachable(address: str, error: Exception) -> str:
    return (
        f"{ADDRESS}={address}: no cluster of Ray answers ({first_line(error)}). Start it, or unset the variable: one "
        "is then started here."
    )


@contextlib.contextmanager
def _deaths_unsaid() -> Iterator[None]:
    """Keep back what Ray prints on stdout where a worker has died, logs or not; the line of its scene says it."""
    worker = importlib.import_module("ray._private.worker")
    with contextlib.ExitStack() as stack:
        if hasattr(worker, "print_to_stdstream"):  # a name of its own that it may change
            stack.enter_context(replaced(worker, "print_to_stdstream", lambda *arguments, **options: None))
        yield


@contextlib.contextmanager
def _kept_signals() -> Iterator[None]:
    """Keep what signals do: Ray would let SIGTERM end this process its way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
