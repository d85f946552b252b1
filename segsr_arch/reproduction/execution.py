"""Carrying out runs, several at a time, each in processes of its own, so that every one starts like a user's."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import torch

from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.reproduction.plan import Run
from segsr_arch.reproduction.workplace import Workplace
from segsr_arch.running.processes import child_variables, threads_each

_ITERATION = re.compile(r"\biter:\s*([\d,]+)")  # not total_iter, among the options that BasicSR prints
_TAIL_LINES = 12
_NOTE_SECONDS = 60.0
_STOP_SECONDS = 120  # a training that is interrupted saves its state first


@dataclass(frozen=True, kw_only=True)
class Slot:
    """Where one run at a time is carried out.

    Attributes:
        device: ``cpu``, or the number of a GPU, as torch counts them here.
        threads: Threads of a process; ``None`` leaves them to the libraries.
    """

    device: str = "cpu"
    threads: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Variables of its processes beyond this one's."""
        variables = {} if self.threads is None else {"OMP_NUM_THREADS": str(self.threads)}
        if (self.threads or 1) > 1:
            # Threads that wait for one another would spin, and slow down whatever else has work to do.
            variables["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        if self.device == "cpu":
            return variables
        visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
        return {**variables, "CUDA_VISIBLE_DEVICES": visible[int(self.device)] if visible else self.device}


def cpu_slots(jobs: int) -> list[Slot]:
    """Share the cores among so many runs; none has more threads than ``OMP_NUM_THREADS``, where that is set."""
    return [Slot(threads=threads_each(jobs)) for _ in range(jobs)]


def gpu_slots(numbers: Sequence[int], *, jobs: int = 1) -> list[Slot]:
    """So many runs at a time on each of these GPUs; the first run on each comes before the second on any.

    Raises:
        ConfigError: If torch does not see one of them.
    """
    count = torch.cuda.device_count()
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong or not numbers or len(set(numbers)) < len(numbers):
        seen = f"torch sees {', '.join(map(str, range(count)))}" if count else "torch sees none here; leave it out"
        raise ConfigError(f"--gpus: give the numbers of different GPUs; {seen}.")
    return [Slot(device=str(number)) for _ in range(jobs) for number in numbers]


@dataclass(kw_only=True)
class Executor:
    """Carries out runs in a workplace.

    Attributes:
        workplace: Where.
        slots: How many at a time, and on what.
        report: Called with a run and the iteration that it has reached; from several threads.
        done: Called with a run when it is measured, or with its error; from the thread of :meth:`carry_out`.
    """

    workplace: Workplace
    slots: Sequence[Slot]
    report: Callable[[Run, int], None] = lambda run, iteration: None
    done: Callable[[Run, SegsrError | None], None] = lambda run, error: None
    _processes: set[subprocess.Popen] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def carry_out(self, runs: Sequence[Run]) -> dict[str, SegsrError]:
        """Carry out what is not done yet; a run that fails does not keep the others from running.

        The caller holds the workplace (:meth:`Workplace.locked`).

        Args:
            runs: The runs.

        Returns:
            Errors by the names of the runs that failed.

        Raises:
            ConfigError: If a run was started with other options.
            KeyboardInterrupt: After all trainings have saved their states.
        """
        failed: dict[str, SegsrError] = {}
        self.workplace.check(runs)
        free: queue.Queue[Slot] = queue.Queue()
        for slot in self.slots:
            free.put(slot)
        with ThreadPoolExecutor(len(self.slots)) as pool:
            waiting: dict[Future, Run] = {}
            try:
                for run in runs:
                    waiting[pool.submit(self._in_slot, run, free)] = run
                while waiting:
                    finished, _ = wait(waiting, return_when=FIRST_COMPLETED)
                    for future in finished:
                        run, error = waiting.pop(future), future.exception()
                        if error is not None and not isinstance(error, SegsrError):
                            raise error
                        if error is not None:
                            failed[run.name] = error
                        self.done(run, error)
            except BaseException:
                self._stop(waiting)
                raise
        return failed

    def _stop(self, waiting: Mapping[Future, Run]) -> None:
        with self._guard:
            self._stopped = True
            processes = list(self._processes)
        for future in waiting:
            future.cancel()
        # In the background of a script Ctrl-C is ignored, here and in all that is started here.
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        for process in processes:
            process.send_signal(signal.SIGTERM if ignored else signal.SIGINT)
        deadline = time.monotonic() + _STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except (subprocess.TimeoutExpired, KeyboardInterrupt):  # a second Ctrl-C does not wait any longer
                deadline = 0.0
                process.kill()

    def _in_slot(self, run: Run, free: "queue.Queue[Slot]") -> None:
        slot = free.get()
        try:
            self._carry_out(run, slot)
        finally:
            free.put(slot)

    def _carry_out(self, run: Run, slot: Slot) -> None:
        place = self.workplace
        place.write_options(run)
        progress = place.progress(run)
        if not progress.trained:
            place.note(
                run,
                attempts=progress.attempts + 1,
                device=slot.device,
                threads=slot.threads,
                data_digest=run.data_digest,
                vlm_digest=run.vlm_digest,
            )
            start = noted = time.monotonic()

            def note_seconds(*, at_least: float | None = None) -> None:
                nonlocal noted  # what is killed cannot note them at its end
                if (now := time.monotonic()) >= noted + (_NOTE_SECONDS if at_least is None else at_least):
                    place.note(run, train_seconds=progress.train_seconds + now - start)
                    noted = now

            options = _seen(place, run, "train")
            try:
                self._command(run, slot, "basicsr", "train", "-opt", options, "--auto_resume", tick=note_seconds)
            finally:
                note_seconds(at_least=0.0)
            place.note(run, trained=True)
        self.report(run, run.iterations)
        if not place.progress(run).measured:
            protocols = ("--protocol", "y-crop", "rgb-crop", "--no-images")
            self._command(run, slot, "segsr", "evaluate", "-opt", _seen(place, run, "final"), *protocols)
            place.note(run, measured=True)

    def _command(
        self,
        run: Run,
        slot: Slot,
        module: str,
        *arguments: str,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Run a command in the workplace, its output in the run's log; ``tick`` is called with each of its lines.

        Raises:
            SegsrError: If it fails; the end of its output is in the message.
        """
        log = self.workplace.log_file(run)
        log.parent.mkdir(exist_ok=True)
        with open(log, "a", encoding="utf-8") as stream:
            stream.write(f"$ {module} {' '.join(arguments)}\n")
            with self._guard:
                if self._stopped:
                    raise SegsrError(f"{run.name}: interrupted.")
                process = subprocess.Popen(
                    [sys.executable, "-m", f"segsr_arch.cli.{module}", *arguments],
                    cwd=self.workplace.folder,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **child_variables(), **slot.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,  # Ctrl-C reaches it through _stop alone, and once
                )
                self._processes.add(process)
            try:
                for line in process.stdout:
                    stream.write(line)
                    stream.flush()
                    tick()
                    if (found := _ITERATION.search(line)) is not None:
                        self.report(run, int(found[1].replace(",", "")))
                process.stdout.close()
                code = process.wait()
            except BaseException:  # such as a log that cannot be written any more
                process.terminate()
                raise
            finally:
                with self._guard:
                    self._processes.discard(process)
        if code:
            raise SegsrError(f"{run.name}: {module} {arguments[0]} ended with exit code {code}. {_tail(log)}")


def _seen(place: Workplace, run: Run, kind: str) -> str:
    return place.option_file(run, kind).relative_to(place.folder).as_posix()


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
    return f"The end of {log}:\n" + "\n".join(f"  {line}" for line in lines)
