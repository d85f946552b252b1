"""What images a data set folder or LMDB holds, read without opening more than a few headers."""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from segsr_arch.config.problems import Problems

SAMPLED = 8
_META_LINE = re.compile(r"^(?P<name>.+?) \((?P<height>\d+),\s*(?P<width>\d+)(,\s*\d+)?\)( \d+)?$")
_PREPARE = "`segsr prepare` makes it (see datasets/README.md)"


@dataclass
class Listing:
    """Images of one folder or LMDB.

    Attributes:
        folder: Where they are.
        names: File names, or keys of an LMDB, sorted.
        known_sizes: (height, width) by name, where they are listed.
    """

    folder: Path
    names: list[str]
    known_sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


def spread(names: list[str], count: int = SAMPLED) -> list[str]:
    """Pick at most ``count`` names, evenly spread from the first to the last."""
    if len(names) <= count:
        return list(names)
    return [names[i * (len(names) - 1) // (count - 1)] for i in range(count)]


def list_images(problems: Problems, path: str, folder: str, *, lmdb: bool) -> Listing | None:
    """List the images of a data root as stock BasicSR does.

    Args:
        problems: Where problems go.
        path: Key path of the data root.
        folder: Data root as written in the option file.
        lmdb: Whether ``io_backend: type`` is ``lmdb``.

    Returns:
        The listing, or ``None`` if there is none to speak of.
    """
    root = Path(os.path.expanduser(folder))
    if lmdb and root.suffix != ".lmdb":
        problems.add(path, f"{folder} must end in .lmdb because io_backend: type is lmdb; {_PREPARE}")
        return None
    if not lmdb and root.suffix == ".lmdb" and root.is_dir():
        problems.add(path, f"{folder} is an LMDB, but io_backend: type is not lmdb")
        return None
    if not root.is_dir():
        what = (
            "is a file, expected a folder" if root.exists() else f"does not exist (looked in {os.getcwd()}); {_PREPARE}"
        )
        problems.add(path, f"{folder} {what}")
        return None
    listing = _list_lmdb(problems, path, root) if lmdb else _list_folder(problems, path, root)
    if listing is not None and not listing.names:
        problems.add(path, f"{folder} holds no images; {_PREPARE}")
        return None
    return listing


def _list_lmdb(problems: Problems, path: str, root: Path) -> Listing | None:
    missing = [name for name in ("data.mdb", "meta_info.txt") if not (root / name).is_file()]
    if missing:
        problems.add(path, f"{root} is not a complete LMDB, it has no {' and no '.join(missing)}; {_PREPARE}")
        return None
    sizes: dict[str, tuple[int, int]] = {}
    for number, line in enumerate((root / "meta_info.txt").read_text(encoding="utf-8").splitlines(), start=1):
        match = _META_LINE.match(line)
        if match is None:
            problems.add(path, f"{root / 'meta_info.txt'}, line {number}: expected `name.png (h,w,c) 1`, got {line!r}")
            return None
        key = match["name"].split(".")[0]  # as BasicSR cuts it: at the first dot
        if key in sizes:
            problems.add(path, f"{root / 'meta_info.txt'}, line {number}: key {key!r} is there twice")
            return None
        sizes[key] = int(match["height"]), int(match["width"])
    return Listing(root, sorted(sizes), sizes)


def _list_folder(problems: Problems, path: str, root: Path) -> Listing:
    names = sorted(entry.name for entry in os.scandir(root) if not entry.name.startswith(".") and entry.is_file())
    known = Image.registered_extensions()
    stray = [name for name in names if os.path.splitext(name)[1].lower() not in known]
    if stray:
        problems.add(path, f"{root} holds files that are no images; move them away: {first_few(stray)}")
    return Listing(root, [name for name in names if name not in set(stray)])


def image_size(problems: Problems, path: str, listing: Listing, name: str) -> tuple[int, int] | None:
    """Give the size of one image from the listing or from its header.

    Args:
        problems: Where an unreadable header goes.
        path: Key path of the data root.
        listing: Where the image is.
        name: Its name there.

    Returns:
        (height, width), or ``None`` if it cannot be had.
    """
    if name in listing.known_sizes:
        return listing.known_sizes[name]
    try:
        with Image.open(listing.folder / name) as image:
            width, height = image.size
    except (UnidentifiedImageError, OSError) as error:
        problems.add(path, f"{listing.folder / name} cannot be read as an image ({error})")
        return None
    return height, width


def first_few(names: list[str], count: int = 3) -> str:
    """Name the first few and count the rest."""
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + rest
