"""What ``basicsr train`` and ``basicsr test`` do: BasicSR's own loops, with options that were checked first."""

import argparse
import contextlib
import functools
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from segsr_arch.cli.failures import EXPLAINED
from segsr_arch.cli.interruption import Interrupted, TrainingInterruption
from segsr_arch.compat.logger_setup import basicsr_not_set_up
from segsr_arch.compat.pipelines import options_given
from segsr_arch.config import check_options
from segsr_arch.config.imports import imported_code
from segsr_arch.config.run_options import read_run_options
from segsr_arch.errors import SaveError, SegsrError
from segsr_arch.files.locking import locked
from segsr_arch.running.logs import write_traceback

# names under which a launcher tells a process who it is, before it has joined the others
_RANK_NAMES = {"pytorch": ("RANK", "WORLD_SIZE"), "slurm": ("SLURM_PROCID", "SLURM_NTASKS")}


class _ToldByFirst(SegsrError):
    """Stops a process whose error the first process explains."""


def run(args: argparse.Namespace, given: Sequence[str], held: contextlib.ExitStack) -> int:
    """Train or test, as parsed arguments say.

    Args:
        args: Arguments of ``basicsr``.
        given: The same as they were given, to say how to go on.
        held: What is written is locked until this is closed.

    Returns:
        Exit code: 0, 2 if the first process explains the error, 130 after SIGINT, 143 after SIGTERM.
    """
    try:
        with basicsr_not_set_up():
            return (_train if args.command == "train" else _test)(args, given, held)
    except _ToldByFirst:
        return EXPLAINED
    except Interrupted as stop:
        return 128 + stop.signum


def _train(args: argparse.Namespace, given: Sequence[str], held: contextlib.ExitStack) -> int:
    import basicsr.train

    with TrainingInterruption() as interruption:
        try:
            seen = _run(args, basicsr.train, basicsr.train.train_pipeline, held, is_train=True)
        except Interrupted as stop:
            state = interruption.save_state()
            _print_stop(args, given, stop, state)
            return 128 + stop.signum
        except Exception as error:
            # rank 0 has stopped for the same signal and left this process without a peer
            if interruption.signum is not None and _rank(args) > 0:
                return 128 + interruption.signum
            if (
                isinstance(error, (SegsrError, OSError, MemoryError))
                and interruption.is_between_steps
                and interruption.last_iter > 0
            ):
                with contextlib.suppress(SaveError):  # the first error is told, perhaps of the same disk
                    _print_stop(args, given, "an error", interruption.save_state())
            raise
    _print_first(args, f"Models, states and log: {_shown(seen['path']['experiments_root'])}")
    return 0


def _test(args: argparse.Namespace, given: Sequence[str], held: contextlib.ExitStack) -> int:
    import basicsr.test

    seen = _run(args, basicsr.test, basicsr.test.test_pipeline, held, is_train=False)
    _print_first(args, f"Results: {_shown(seen['path']['results_root'])}")
    return 0


def _run(
    args: argparse.Namespace, module: ModuleType, pipeline: Callable, held: contextlib.ExitStack, *, is_train: bool
) -> dict[str, Any]:
    """Read and check the options, run a stock pipeline with them, return them as BasicSR completed them.

    What is written is locked for as long as ``held`` is open.
    """
    opt = read_run_options(args.opt, args.force_yml)
    try:
        warnings = check_options(
            opt,
            is_train=is_train,
            source=args.opt,
            world_size=_from_launcher(args, 1, 1),
            states=_states_folder(args, opt) if args.auto_resume else None,
        )
    except SegsrError:
        if _rank(args) > 0:
            raise _ToldByFirst from None
        raise
    for text in warnings:
        _print_first(args, f"warning: {text}")
    if _rank(args) == 0:  # before BasicSR renames a folder of that name
        held.enter_context(locked(Path("experiments" if is_train else "results", _run_name(args, opt))))
    flags = ["--launcher", args.launcher, "--local_rank", str(args.local_rank)]
    flags += [f"--{name}" for name in ("auto_resume", "debug") if getattr(args, name)]
    code = functools.partial(imported_code, opt)
    with options_given(module, opt, source=args.opt, flags=flags, logged=code) as seen:
        try:
            pipeline(os.getcwd())
        except Exception as error:
            write_traceback(error)
            raise
    return seen


def _run_name(args: argparse.Namespace, opt: Mapping[str, Any]) -> str:
    """What BasicSR calls this run."""
    name = str(opt.get("name"))
    return f"debug_{name}" if args.debug and not name.startswith("debug") else name


def _states_folder(args: argparse.Namespace, opt: Mapping[str, Any]) -> Path:
    """Where BasicSR saves the states of this run."""
    return Path("experiments", _run_name(args, opt), "training_states")


def _from_launcher(args: argparse.Namespace, index: int, default: int) -> int:
    names = _RANK_NAMES.get(args.launcher)
    return int(os.environ.get(names[index], default)) if names else default


def _rank(args: argparse.Namespace) -> int:
    return _from_launcher(args, 0, 0)


def _print_first(args: argparse.Namespace, text: str) -> None:
    if _rank(args) == 0:
        print(text, file=sys.stderr, flush=True)


def _print_stop(args: argparse.Namespace, given: Sequence[str], stop: object, state: Path | None) -> None:
    """Say what was saved and how to go on."""
    if state is None:
        _print_first(args, f"Stopped by {stop}: no iteration was completed in this run, nothing to save.")
        if not args.auto_resume:
            return
    else:
        _print_first(args, f"Stopped by {stop} after iteration {state.stem}. State saved: {_shown(state)}")
    command = [*given] if args.auto_resume else [*given[:1], "--auto_resume", *given[1:]]
    program = "basicsr"
    if args.launcher == "pytorch":
        program = f"torchrun --nproc_per_node {os.environ.get('LOCAL_WORLD_SIZE', 1)} -m segsr_arch.cli.basicsr"
    _print_first(args, f"Resume with: {program} {shlex.join(command)}")


def _shown(path: str | Path) -> str:
    return os.path.relpath(path)
