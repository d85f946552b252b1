"""The arguments ``--range`` and ``--bands`` of commands that read images."""

import argparse

from segsr_arch.cli.arguments import number, whole_number
from segsr_arch.errors import ConfigError
from segsr_arch.images.conversion import Conversion


def add_conversion(parser: argparse._ActionsContainer, *, deep: str, banded: str) -> None:
    """Add ``--range`` and ``--bands``.

    Args:
        parser: Parser, or group of arguments.
        deep: What becomes of images of more than 8 bits without the first, for the help.
        banded: What becomes of images of other than one or three bands without the second.
    """
    parser.add_argument(
        "--range",
        type=number,
        nargs=2,
        metavar=("LO", "HI"),
        help=f"the values that become 0 and 255 in images of more than 8 bits; without it {deep}",
    )
    parser.add_argument(
        "--bands",
        type=whole_number(least=1),
        nargs="+",
        metavar="N",
        help="the bands that become red, green and blue (or one, which becomes grey), counted from 1, such as "
        f"--bands 4 3 2; without it images of other than one or three bands {banded}",
    )


def conversion_of(args: argparse.Namespace) -> Conversion:
    """Take what the arguments say.

    Raises:
        ConfigError: If it makes no sense.
    """
    conversion = Conversion(
        value_range=None if args.range is None else tuple(args.range),
        bands=None if args.bands is None else tuple(args.bands),
    )
    problem = conversion.problem()
    if problem:
        raise ConfigError(f"{problem}.")
    return conversion
