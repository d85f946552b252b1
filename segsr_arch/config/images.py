"""What images a data set folder or LMDB holds, and of what sizes; no image is decoded."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from segsr_arch.config.header_cache import read_headers, read_lmdb_headers
from segsr_arch.config.problems import Problems
from segsr_arch.errors import DataError
from segsr_arch.images.formats import READ_SUFFIXES
from segsr_arch.images.header import ImageHeader
from segsr_arch.sources.folder_walk import walk
from segsr_arch.sources.image_sources import folders_with_images
from segsr_arch.sources.lmdb_environments import stored_keys
from segsr_arch.sources.lmdb_reading import read_whole_list

_NAMED = 3
_PREPARE = "`segsr prepare` makes it (see datasets/README.md)"


@dataclass
class Listing:
    """Images of one folder or LMDB.

    Attributes:
        folder: Where they are.
        names: File names, or keys of an LMDB, sorted.
        known_sizes: (height, width) by name, where they are listed.
        partners: Name of the LR image by that of the HR image, where a list says both.
    """

    folder: Path
    names: list[str]
    known_sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    partners: dict[str, str] = field(default_factory=dict)

    @cached_property
    def headers(self) -> tuple[dict[str, ImageHeader], dict[str, str]]:
        """Headers by name, and by name, why one cannot be had: of every file, of a few entries of an LMDB."""
        if self.known_sizes:
            return read_lmdb_headers(self.folder, self.names)
        return read_headers(self.folder, self.names)


def list_images(here: Problems, folder: str, *, lmdb: bool, below: bool = False) -> Listing | None:
    """List the images of a data root as a data set does.

    Args:
        here: Where the data root stands.
        folder: Data root as written in the option file.
        lmdb: Whether ``io_backend: type`` is ``lmdb``.
        below: Whether the data set looks into folders there, which those of BasicSR do not.

    Returns:
        The listing, or ``None`` if there is none to speak of.
    """
    root = Path(os.path.expanduser(folder))
    if lmdb and root.suffix != ".lmdb":
        here.add(f"{folder} must end in .lmdb because io_backend: type is lmdb; {_PREPARE}")
        return None
    if not lmdb and root.suffix == ".lmdb" and root.is_dir():
        here.add(f"{folder} is an LMDB, but io_backend: type is not lmdb")
        return None
    if not root.is_dir():
        what = (
            "is a file, expected a folder" if root.exists() else f"does not exist (looked in {os.getcwd()}); {_PREPARE}"
        )
        here.add(f"{folder} {what}")
        return None
    listing = _list_lmdb(here, root) if lmdb else _list_folder(here, root, below=below)
    if listing is not None and not listing.names:
        passed_over = [] if lmdb or below else folders_with_images(root)
        but = f" itself, only its folders {first_few(passed_over)}, which BasicSR does not read" if passed_over else ""
        here.add(f"{folder} holds no images{but}; {_PREPARE}")
        return None
    return listing


def _list_lmdb(here: Problems, root: Path) -> Listing | None:
    missing = [name for name in ("data.mdb", "meta_info.txt") if not (root / name).is_file()]
    if missing:
        here.add(f"{root} is not a complete LMDB, it has no {' and no '.join(missing)}; {_PREPARE}")
        return None
    try:
        sizes = read_whole_list(root)
        absent = sorted(sizes.keys() - set(stored_keys(root)))
    except DataError as error:
        here.add(str(error))
        return None
    if absent:
        here.add(f"{root}: meta_info.txt lists images that the LMDB does not hold: {first_few(absent)}; {_PREPARE}")
        return None
    return Listing(root, sorted(sizes), sizes)


def _list_folder(here: Problems, root: Path, *, below: bool) -> Listing | None:
    names: list[str] = []
    try:
        for inside, files in walk(root, [], passes_over=_is_hidden):  # what it leaves out is said when it is read
            if inside != "." and not below:
                break
            names += [name if inside == "." else f"{inside}/{name}" for name in files if not _is_hidden(name)]
    except DataError as error:
        here.add(str(error))
        return None
    stray = [name for name in names if os.path.splitext(name)[1].lower() not in READ_SUFFIXES]
    if stray:
        here.add(f"{root} holds files that are no images; move them away: {first_few(stray)}")
    passed_over = [] if below else folders_with_images(root)
    if passed_over:
        here.note(f"{root} holds folders with images, which BasicSR does not read: {first_few(passed_over)}")
    return Listing(root, sorted(set(names) - set(stray)))


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def image_sizes(here: Problems, listing: Listing) -> dict[str, tuple[int, int]]:
    """Give the size of every image from the listing or from its header.

    Args:
        here: Where the data root stands.
        listing: The images.

    Returns:
        (height, width) by name, without those that cannot be had.
    """
    if listing.known_sizes:
        return {name: listing.known_sizes[name] for name in listing.names}
    headers, unreadable = listing.headers
    here.add_images(list(unreadable.values()), f"images of {listing.folder} that cannot be read")
    return {name: (header.height, header.width) for name, header in headers.items()}


def first_few(names: list[str], count: int = _NAMED) -> str:
    """Name the first few and count the rest."""
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + rest
