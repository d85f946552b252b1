"""The command ``segsr``: everything around training and testing, which are ``basicsr``'s."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from segsr_arch.cli.arguments import (
    app,
    caption,
    compare,
    demo,
    evaluate,
    explain,
    export,
    figure,
    finetune,
    infer,
    infer_dir,
    models,
    prepare,
    report,
    reproduce,
    schema,
    upscale,
)
from segsr_arch.cli.failures import EXPLAINED, ended_as_interrupted, flushed, tell_failure, told_once
from segsr_arch.cli.start import import_whole_package
from segsr_arch.cli.terminal import escaped_output
from segsr_arch.running.processes import heed_parent, let_waiting_threads_sleep
from segsr_arch.version import __version__

_SUBCOMMANDS = (
    prepare,
    caption,
    evaluate,
    compare,
    figure,
    report,
    explain,
    reproduce,
    export,
    models,
    finetune,
    upscale,
    infer,
    infer_dir,
    app,
    schema,
    demo,
)
_NOTHING_HALF_WRITTEN = "Nothing is half written; the same command starts anew."


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with all subcommands; ``run`` of the module that has a subcommand's name carries it out.

    A hyphen of a name is an underscore in that of its module.
    """
    parser = argparse.ArgumentParser(
        prog="segsr",
        description="Super-resolution of remote-sensing images. Training and testing are done by the command basicsr.",
    )
    parser.add_argument("--version", action="version", version=f"segsr {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in _SUBCOMMANDS:
        module.add_parser(subparsers)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out what parsed arguments say.

    Returns:
        The subcommand's exit code.

    Raises:
        SegsrError: What the subcommand raises.
    """
    if getattr(args, "works_beside_network", False):
        let_waiting_threads_sleep()
    import_whole_package()
    from segsr_arch.compat.logger_setup import basicsr_not_set_up

    with basicsr_not_set_up():
        return importlib.import_module(f"segsr_arch.cli.{args.command.replace('-', '_')}").run(args)


@escaped_output()
def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments without the program's name; ``None`` takes the process's own.

    Returns:
        0 on success, 2 after an error that was explained on stderr, 130 after Ctrl-C or SIGTERM, 141 if nobody reads
        the output; a subcommand may have others.
    """
    args = argparse.Namespace()
    heed_parent()
    try:
        with flushed(), ended_as_interrupted(), told_once():
            parser = build_parser()
            parser.parse_args(argv, args)
            if args.command is None:
                parser.print_help()
                return EXPLAINED
            return run(args)
    except KeyboardInterrupt:
        print(f"Interrupted. {getattr(args, 'after_interruption', _NOTHING_HALF_WRITTEN)}", file=sys.stderr)
        return 130
    except Exception as error:
        code = tell_failure(error)
        if code is None:
            raise
        return code


if __name__ == "__main__":
    sys.exit(main())
