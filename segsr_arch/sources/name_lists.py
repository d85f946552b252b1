"""Lists of images, one a line: BasicSR's, those of its LMDBs, and those of splits.

They may be in any encoding and with any line ends (:func:`~segsr_arch.text.read_lines`); empty lines do not count. What
of a line is a name, each kind of list says by itself; an ending begins at the last dot.
"""

import os
import re
from pathlib import Path, PurePosixPath

from segsr_arch.errors import DataError
from segsr_arch.images.formats import IMAGE_SUFFIXES
from segsr_arch.sources.image_names import image_name_problem
from segsr_arch.text import listed_name, read_lines

_LMDB_LINE = re.compile(r"(?P<name>.+)\.(?P<ending>\w+) \((?P<height>\d+),\s*(?P<width>\d+)(?:,\s*\d+)?\)(?: \d+)?\s*")


def filled_lines(path: str | os.PathLike[str], what: str = "a list of images") -> dict[int, str]:
    """Read the lines of a list that are not empty, by their numbers.

    Args:
        path: The file.
        what: What it should be, with its article, for messages.

    Raises:
        DataError: If it cannot be read, or is no text in UTF-8 or UTF-16.
    """
    return {number: line for number, line in enumerate(read_lines(path, what), start=1) if line.strip()}


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """Read a list that BasicSR calls ``meta_info_file``: file names without spaces; what follows one does not count.

    Raises:
        DataError: See :func:`filled_lines`.
    """
    return [line.strip().split(" ")[0] for line in filled_lines(path).values()]


def read_name_pairs(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """Read a list that BasicSR calls ``meta_info``: file names of an HR and of its LR image, ``HR.png, LR.png``.

    Raises:
        DataError: See :func:`filled_lines`; or if a line has not two names.
    """
    lines = [line.strip() for line in filled_lines(path).values()]
    wrong = [line for line in lines if line.count(", ") != 1]
    if wrong:
        raise DataError(f"each line must be `HR.png, LR.png`; {len(wrong)} are not, first: {wrong[0]!r}")
    return [(high, low) for high, _, low in (line.partition(", ") for line in lines)]


def read_meta_info(folder: str | os.PathLike[str]) -> dict[str, tuple[int, int]]:
    """Read ``meta_info.txt``, in which BasicSR lists an LMDB's keys.

    Args:
        folder: The LMDB's folder.

    Returns:
        Height and width in pixels by key, in the order of the list; a key is a name without its ending.

    Raises:
        DataError: If the list cannot be read, has a line that is none of BasicSR's, a key twice, or one that is no
            name but a path out of the folder.
    """
    path = Path(folder) / "meta_info.txt"
    sizes: dict[str, tuple[int, int]] = {}
    for number, line in filled_lines(path, "the list of an LMDB").items():
        match = _LMDB_LINE.fullmatch(line)
        if match is None:
            raise DataError(f"{path}, line {number}: expected `name.png (h,w,c) 1`, got {line!r}")
        key = match["name"]
        problem = image_name_problem(key)
        if problem:
            raise DataError(f"{path}, line {number}: the key {problem}; prepare the LMDB anew")
        if key in sizes:
            raise DataError(f"{path}, line {number}: key {key!r} is there twice")
        sizes[key] = int(match["height"]), int(match["width"])
    return sizes


def read_split_list(path: str | os.PathLike[str]) -> list[str]:
    """Read a split list: one ``class/stem`` a line, with or without an image's ending; ``#`` starts a comment line.

    Returns:
        The names in the order of the list, as :func:`~segsr_arch.text.listed_name` gives them.

    Raises:
        DataError: If the file cannot be read, holds no name, or one name twice.
    """
    names: dict[str, None] = {}
    for line in filled_lines(path, "a split list").values():
        name = listed_name(line)
        if not name or line.lstrip().startswith("#"):
            continue
        ending = PurePosixPath(name).suffix
        if ending.lower() in IMAGE_SUFFIXES:
            name = name.removesuffix(ending)
        if name in names:
            raise DataError(f"{path}: lists {name} twice")
        names[name] = None
    if not names:
        raise DataError(f"{path}: an empty split list; leave the split out instead")
    return list(names)
