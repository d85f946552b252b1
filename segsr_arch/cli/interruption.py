"""SIGINT and SIGTERM while a BasicSR model trains: the state is saved at the last completed iteration.

Works with any model from outside: the loop is stock, the model is watched. A step begins where the learning rate is
updated and ends when ``optimize_parameters`` returns; a state saved in between would not fit together, so a signal
there waits for the end of the step. Anywhere else :class:`Interrupted` is raised on the spot.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from segsr_arch.cli.worker_signals import WorkerSignals
from segsr_arch.compat.pipelines import training_watched

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ECHO_SECONDS = 1.0  # launchers pass on the Ctrl-C that the terminal has already sent to everyone


class Interrupted(BaseException):
    """Training was stopped by a signal; like ``KeyboardInterrupt`` no ``except Exception`` catches it.

    Attributes:
        signum: The signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


class TrainingInterruption:
    """Context in which ``basicsr.train.train_pipeline`` can be interrupted without loss.

    The first signal raises :class:`Interrupted` out of the block, after the step or save that it came in; then call
    :meth:`save_state`. A second one ends the process at once.

    In a distributed run rank 0 has the whole state, so it does not wait for the others in a validation or for data: a
    launcher gives it half a minute. A signal that comes in a step, or to another rank only, stops all of them after
    the same step.

    Attributes:
        signum: The first signal, ``None`` so far.
        last_iter: Last completed iteration of this process, 0 if there is none.
        epoch: Current epoch.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self.last_iter = 0
        self.epoch = 0
        self._model: Any = None
        self._save: Any = None
        self._saved_iter = 0
        self._busy = False
        self._agreed = False
        self._group: Any = None
        self._first_signal_at = 0.0
        self._workers: list[WorkerSignals] = []

    def __enter__(self) -> "TrainingInterruption":
        self._pid = os.getpid()
        with contextlib.ExitStack() as stack:
            stack.enter_context(
                training_watched(on_model=self._watch, on_loader=self._shield, on_epoch=self._note_epoch)
            )
            for signum in SIGNALS:
                # a process in the background of a script ignores SIGINT, and is meant to
                if signal.getsignal(signum) is not signal.SIG_IGN:
                    stack.callback(signal.signal, signum, signal.signal(signum, self._on_signal))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        for workers in self._workers:
            workers.release()
        self._stack.close()

    @property
    def is_between_steps(self) -> bool:
        """Whether what is in memory fits together: no step and no save was begun and not ended."""
        return not self._busy

    def save_state(self) -> Path | None:
        """Save the state of the last completed iteration unless that is done already.

        Returns:
            The training state, or ``None`` if no iteration was completed.

        Raises:
            SaveError: If it cannot be written.
        """
        if self.last_iter == 0:
            return None
        if self._saved_iter != self.last_iter:
            self._save(self.epoch, self.last_iter)
        if self._agreed:
            dist.barrier(group=self._group)  # a launcher would end rank 0 while it saves, had another one left
        return Path(self._model.opt["path"]["training_states"]) / f"{self.last_iter}.state"

    def _on_signal(self, signum: int, frame: Any) -> None:
        if os.getpid() != self._pid:  # a forked worker that has not started up yet
            return
        name = signal.Signals(signum).name
        if self.signum is None:
            self.signum, self._first_signal_at = signum, time.monotonic()
            _tell(f"{name}: stopping; the state will be saved. A second signal stops at once, without saving.")
            if self._may_stop_here():
                raise Interrupted(signum)
        elif time.monotonic() - self._first_signal_at > ECHO_SECONDS:
            _tell(f"{name} again: stopped at once, nothing more was saved.")
            os._exit(128 + signum)

    def _may_stop_here(self) -> bool:
        return not self._busy and (self._group is None or dist.get_rank() == 0)

    def _end_of_step(self) -> None:
        """Stop if any process got a signal; in a distributed run all of them must come here."""
        if self._group is not None:
            flag = torch.tensor([self.signum or 0])
            dist.all_reduce(flag, dist.ReduceOp.MAX, group=self._group)
            self._agreed = bool(flag)
            self.signum = self.signum or int(flag) or None
        self._busy = False
        if self.signum is not None and (self._agreed or self._may_stop_here()):
            raise Interrupted(self.signum)

    def _note_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def _shield(self, loader: Any) -> None:
        loader.worker_init_fn = WorkerSignals(loader.worker_init_fn)
        self._workers.append(loader.worker_init_fn)

    def _watch(self, model: Any, opt: Mapping[str, Any]) -> None:
        if opt["dist"]:
            self._group = dist.new_group(backend="gloo")
        model.update_learning_rate = self._around_update(model.update_learning_rate)
        model.optimize_parameters = self._around_step(model.optimize_parameters)
        self._save = model.save
        model.save = self._around_save(model.save)
        self._model = model

    def _around_update(self, update_learning_rate: Callable) -> Callable:
        def wrapper(*args: Any, **options: Any) -> Any:
            self._busy = True
            return update_learning_rate(*args, **options)

        return wrapper

    def _around_step(self, optimize_parameters: Callable) -> Callable:
        def wrapper(current_iter: int) -> None:
            # stays busy if the step fails: half a step must not be saved
            optimize_parameters(current_iter)
            self.last_iter = current_iter
            self._end_of_step()

        return wrapper

    def _around_save(self, save: Callable) -> Callable:
        def wrapper(epoch: int, current_iter: int) -> None:
            self._busy = True
            save(epoch, current_iter)
            self._saved_iter = max(current_iter, self._saved_iter)  # -1, the end of training, saves no state
            self._end_of_step()

        return wrapper


def _tell(text: str) -> None:
    """Write to stderr past Python's buffers, which the signal may have come in the middle of."""
    if int(os.environ.get("RANK", 0)) == 0:
        os.write(2, f"\n{text}\n".encode())
