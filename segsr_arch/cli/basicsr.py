"""Console command ``basicsr``: train and test with BasicSR's own loops, options checked first."""

import argparse
import contextlib
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from segsr_arch.cli.failures import flushed, tell_failure, told_once
from segsr_arch.cli.start import import_whole_package
from segsr_arch.cli.terminal import escaped_output
from segsr_arch.replacing import replaced
from segsr_arch.running.processes import end_with_parent, heed_parent

_OF_TORCHRUN = "TORCHELASTIC_RUN_ID"  # a variable that torchrun sets


@escaped_output()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: Arguments; ``None`` takes those of the process.

    Returns:
        Exit code: 0, 2 after an error that is explained, 130 after SIGINT, 143 after SIGTERM, 141 if nobody reads the
        output.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        with flushed(), told_once(), contextlib.ExitStack() as held:
            parser = build_parser()
            args = parser.parse_args(given)
            if args.command is None:
                parser.print_help()
                return 0
            _end_with_starter(args)
            # BasicSR writes the arguments into the copy of the option file
            held.enter_context(replaced(sys, "argv", ["basicsr", *given]))
            import_whole_package()
            from segsr_arch.cli import stock_runs

            return stock_runs.run(args, given, held)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        code = tell_failure(error)
        if code is None:
            raise
        return code


def _end_with_starter(args: argparse.Namespace) -> None:
    """End by SIGTERM, which saves the state, with a command of this package that started this one, or torchrun.

    A process that somebody has started by hand, with the variables of a launcher, outlives the shell.
    """
    heed_parent()
    if args.launcher == "pytorch" and _OF_TORCHRUN in os.environ:
        end_with_parent(os.getppid(), signum=signal.SIGTERM)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with both commands."""
    parser = argparse.ArgumentParser(
        prog="basicsr",
        description="Train and test networks with BasicSR. Experiments and results go into the working directory.",
    )
    commands = parser.add_subparsers(dest="command", title="commands")
    for name, text in (
        ("train", "train a network; writes to experiments/NAME"),
        ("test", "test a network; writes to results/NAME"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False)
        command.add_argument("-opt", required=True, metavar="FILE", help="option file (YAML)")
        command.add_argument("--auto_resume", action="store_true", help="go on from the newest state of this run")
        command.add_argument(
            "--launcher", choices=("none", "pytorch", "slurm"), default="none", help="pytorch: torchrun"
        )
        command.add_argument("--debug", action="store_true", help="validate and save every 8 iterations")
        command.add_argument("--local_rank", "--local-rank", type=int, default=0, help="given by old launchers")
        command.add_argument(
            "--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="such as train:optim_g:lr=1e-4"
        )
    return parser


def command() -> NoReturn:
    """Run the command and end the process with its exit code."""
    code = main()
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        # The threads of a gloo group can neither be joined (torch 2.6 holds the GIL meanwhile) nor be left to the end
        # of the interpreter (which now and then aborts). All that this process had to write has been written.
        logging.shutdown()
        for child in multiprocessing.active_children():
            child.terminate()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    command()
