"""The command ``segsr``: everything around training and testing, which are ``basicsr``'s."""

import argparse
import os
import sys
from collections.abc import Sequence

from segsr_arch import __version__
from segsr_arch.cli import compare, demo, evaluate, explain, export, figure, prepare, report, reproduce
from segsr_arch.cli.terminal import escaped_output
from segsr_arch.errors import SegsrError

_SUBCOMMANDS = (prepare, evaluate, compare, figure, report, explain, reproduce, export, demo)
_NOTHING_HALF_WRITTEN = "Nothing is half written; the same command starts anew."


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="segsr",
        description="Super-resolution of remote-sensing images. Training and testing are done by the command basicsr.",
    )
    parser.add_argument("--version", action="version", version=f"segsr {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for module in _SUBCOMMANDS:
        module.add_parser(subparsers)
    return parser


@escaped_output()
def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments without the program's name; ``None`` takes the process's own.

    Returns:
        0 on success, 2 after an error that was explained on stderr, 130 after Ctrl-C, 141 if nobody reads the output;
        a subcommand may have others.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 2
    try:
        return args.run(args)
    except SegsrError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Interrupted. {getattr(args, 'after_interruption', _NOTHING_HALF_WRITTEN)}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # of | head and the like; Python would complain again when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
