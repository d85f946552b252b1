"""LMDBs in the layout that BasicSR reads: PNG bytes under the file name without ending, and ``meta_info.txt``."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import lmdb

from segsr_arch.errors import SaveError

PNG_LEVEL = 1
"""zlib level of the PNG files; BasicSR writes it into every line of ``meta_info.txt``."""

_PAGE = 4096
_ROOM = 16 * 1024 * 1024


@dataclass(frozen=True)
class Entry:
    """One image of an LMDB.

    Attributes:
        name: Key, and file name without ending.
        path: The PNG file whose bytes are stored.
        size: Height and width in pixels.
        file_digest: SHA-256 of the file's bytes.
    """

    name: str
    path: Path
    size: tuple[int, int]
    file_digest: str


def meta_info(entries: list[Entry]) -> str:
    """The lines of ``meta_info.txt``: ``name.png (H,W,3) level``."""
    return "".join(f"{e.name}.png ({e.size[0]},{e.size[1]},3) {PNG_LEVEL}\n" for e in entries)


def write_lmdb(folder: Path, entries: list[Entry], *, scratch: Path) -> None:
    """Build an LMDB beside and put it in its place when it is complete.

    Args:
        folder: The LMDB's folder, ``....lmdb``; an older one is replaced.
        entries: Images in the order of ``meta_info.txt``.
        scratch: Folder on the same file system for the unfinished LMDB.

    Raises:
        SaveError: If it cannot be written; an older LMDB is then intact.
    """
    unfinished = scratch / f"{os.getpid()}-{folder.parent.name}-{folder.name}"
    sizes = [entry.path.stat().st_size for entry in entries]
    # A value takes whole pages, and its key a place in a leaf: this is an upper bound, not an estimate.
    room = _ROOM + sum((size // _PAGE + 2) * _PAGE + 1024 for size in sizes)
    try:
        unfinished.mkdir()
        with lmdb.open(str(unfinished), map_size=room) as environment, environment.begin(write=True) as transaction:
            for entry in entries:
                transaction.put(entry.name.encode(), entry.path.read_bytes())
        with open(unfinished / "meta_info.txt", "w", encoding="utf-8", newline="\n") as file:
            file.write(meta_info(entries))
            file.flush()
            os.fsync(file.fileno())
        if folder.exists():
            os.rename(folder, scratch / f"{os.getpid()}-{folder.parent.name}-{folder.name}-replaced")
        os.rename(unfinished, folder)
    except (OSError, lmdb.Error) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise SaveError(
            f"{folder}: cannot be written ({error}); is the disk full, or a limit (ulimit) too low?"
        ) from error
