"""Names that are not known, which known one was probably meant, and what differs."""

import difflib
import unicodedata
from collections.abc import Iterable
from itertools import zip_longest

from segsr_arch.text import printable

_LONGEST = 200  # of a name that is compared: one from a file may be of any length
_NEAR = 0.75


def close_matches(name: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """Find known names that are much like one that is not, whether letters are large or small.

    Args:
        name: The name that is not known.
        known: Names that are.
        most: How many are given at most.
        cutoff: How like they must be, from 0 to 1 (:func:`difflib.get_close_matches`).

    Returns:
        The known names, the likest first.
    """
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(str(name)[:_LONGEST].lower(), by_lower, n=most, cutoff=cutoff)
    return [by_lower[match] for match in near]


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    Args:
        name: The name that is not known.
        known: Names that are.

    Returns:
        A clause that continues a sentence: the nearest known name, or all of them if there are few.
    """
    known = sorted(known)
    near = close_matches(name, known, most=1)
    if near:
        return f"; did you mean {near[0]}?"
    if 0 < len(known) <= 12:
        return f"; known are: {', '.join(known)}"
    return ""


def difference(one: str, other: str) -> str:
    """Tell two names apart that may look alike, by the first character in which they differ."""
    pairs = enumerate(zip_longest(one, other), start=1)
    place, (first, second) = next((place, pair) for place, pair in pairs if pair[0] != pair[1])
    return f"character {place} is {_point(first)} in one and {_point(second)} in the other"


def _point(character: str | None) -> str:
    if character is None:
        return "missing"
    return f"{printable(character)} (U+{ord(character):04X} {unicodedata.name(character, 'without a name')})"


def nearest(name: str, others: Iterable[str]) -> str:
    """Say which of other names is nearly this one, and what differs.

    Returns:
        A clause that continues a sentence; empty if none is near.
    """
    near = close_matches(name, [other for other in others if other != name], most=1, cutoff=_NEAR)
    return f"; the nearest is {near[0]}: {difference(name, near[0])}" if near else ""
