"""The class of an image, read off its name as UC Merced and AID name theirs."""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

_SCALE = re.compile(r"(?:(?<=\d)|[_-])x\d+$")  # agricultural85x4, airport_12_x4; not complex12
_NUMBERED = re.compile(r"^(.*?[^\W\d_])[\s_-]*\d+$")
_LAST = re.compile(r"x\d+$")

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


def classes_of(names: Collection[str]) -> dict[str, str]:
    """Tell the classes of the images of one set; what all names end in, such as the ``x4`` of ``babyx4``, is a scale.

    Args:
        names: Names as for :func:`class_of`.

    Returns:
        Class by name.
    """
    endings = {match.group() if (match := _LAST.search(name)) else "" for name in names}
    shared = endings.pop() if len(names) > 1 and len(endings) == 1 else ""
    return {name: class_of(name.removesuffix(shared)) for name in names}
