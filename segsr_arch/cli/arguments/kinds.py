"""Kinds of arguments that several commands take; what is wrong is said in words, not by the name of a function."""

import argparse
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from segsr_arch.degradations.named_chains import BICUBIC, NAMED_CHAINS
from segsr_arch.errors import ConfigError

if TYPE_CHECKING:
    from segsr_arch.images.conversion import Conversion


def whole_number(*, least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """Make the ``type=`` of an argument that is a whole number.

    Args:
        least: Smallest number that is taken; ``None`` for no limit.
        most: Largest number that is taken; ``None`` for no limit.

    Returns:
        From the text of the argument to the number; raises ``ArgumentTypeError``.
    """
    limits = "".join(f" {word} {limit}" for word, limit in (("from", least), ("to", most)) if limit is not None)

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or (least is not None and value < least) or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number{limits}")
        return value

    return convert


def number(text: str) -> float:
    """``type=`` of an argument that is a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


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


def add_degradation(parser: argparse._ActionsContainer, *, default: str) -> None:
    """Add ``--degradation`` and ``--degradation-seed``; :mod:`segsr_arch.cli.degradations` reads them.

    Args:
        parser: Parser, or group of arguments.
        default: What is done without, for the help.
    """
    parser.add_argument(
        "--degradation",
        metavar="NAME|FILE.yml",
        help=f"degrade LR images by a chain: {', '.join(NAMED_CHAINS)}, or a file with a list of steps below "
        f"degradation; a file beside each image says what was drawn; {BICUBIC}: the reduction alone (default: "
        f"{default})",
    )
    parser.add_argument(
        "--degradation-seed", type=whole_number(least=0), metavar="N", help="seed of what is drawn (default: 0)"
    )


def conversion_of(args: argparse.Namespace) -> "Conversion":
    """Take what the arguments say.

    Raises:
        ConfigError: If it makes no sense.
    """
    from segsr_arch.images.conversion import Conversion

    conversion = Conversion(
        value_range=None if args.range is None else tuple(args.range),
        bands=None if args.bands is None else tuple(args.bands),
    )
    problem = conversion.problem()
    if problem:
        raise ConfigError(f"{problem}.")
    return conversion
