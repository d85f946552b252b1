"""Names that are not known, and which known one was probably meant."""

import difflib
from collections.abc import Iterable

_LONGEST = 200  # of a name that is compared: one from a file may be of any length


def nearest_hint(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant.

    Args:
        name: The name that is not known.
        known: Names that are.

    Returns:
        A clause that continues a sentence: the nearest known name, or all of them if there are few.
    """
    known, name = sorted(known), str(name)[:_LONGEST]
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    if near:
        return f"; did you mean {by_lower[near[0]]}?"
    if 0 < len(known) <= 12:
        return f"; known are: {', '.join(known)}"
    return ""
