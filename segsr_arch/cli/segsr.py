"""The command ``segsr``: everything around training and testing, which are ``basicsr``'s."""

import argparse
import sys
from collections.abc import Sequence

from segsr_arch import __version__
from segsr_arch.cli import demo, prepare
from segsr_arch.errors import SegsrError

_SUBCOMMANDS = (prepare, demo)


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments without the program's name; ``None`` takes the process's own.

    Returns:
        0 on success, 2 after an error that was explained on stderr, 130 after Ctrl-C.
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
        print("Interrupted. What was finished is kept; run the same command to go on.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
