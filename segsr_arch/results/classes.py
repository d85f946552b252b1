"""The class of an image, read off its name as UC Merced and AID name theirs."""

import re
from pathlib import PurePosixPath

_SCALE = re.compile(r"[_-]?x\d+$")  # agricultural85x4
_NUMBERED = re.compile(r"^(.*?[^\W\d_])[\s_-]*\d+$")

NO_CLASS = ""


def class_of(name: str) -> str:
    """Tell the class of an image.

    Args:
        name: Name without ending, with forward slashes: ``agricultural/agricultural85``, ``agricultural85``
            (UC Merced) or ``airport_12`` (AID).

    Returns:
        The folder that holds it; without one, the letters in front of the number at the end; ``""`` if there is
        neither.
    """
    pure = PurePosixPath(name)
    if len(pure.parts) > 1:
        return pure.parts[-2]
    numbered = _NUMBERED.match(_SCALE.sub("", pure.name))
    return numbered.group(1) if numbered else NO_CLASS
