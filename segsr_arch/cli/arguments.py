"""Kinds of arguments that several commands take; what is wrong is said in words, not by the name of a function."""

import argparse
import math
from collections.abc import Callable


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
