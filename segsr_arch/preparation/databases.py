"""The LMDBs of a prepared data set, in the layout that BasicSR reads: which are needed, built, or have to go.

An LMDB holds PNG bytes under the file name without ending, and a list of them, ``meta_info.txt``.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb

from segsr_arch.errors import DataError, SaveError
from segsr_arch.preparation.journal import Journal, Key
from segsr_arch.preparation.worker import PNG_LEVEL, SIDES, Workshop, digest_bytes
from segsr_arch.running.progress import progress
from segsr_arch.running.worker_pool import WorkerPool
from segsr_arch.sources.lmdb_reading import read_whole_list

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


def _entries(records: Mapping[Key, dict[str, Any]], root: Path) -> dict[Path, list[Entry]]:
    """The images of each LMDB, in the order of their names, by the LMDB's folder."""
    entries = defaultdict(list)
    for (_, split, scale, name), made in sorted(records.items()):
        for side in SIDES:
            folder = root / split / f"{side}_x{scale}"
            entry = Entry(name, folder / f"{name}.png", tuple(made[side]["size"]), made[side]["file_digest"])
            entries[folder.with_name(f"{folder.name}.lmdb")].append(entry)
    return entries


def _meta_info(entries: list[Entry]) -> str:
    """The lines of ``meta_info.txt``: ``name.png (H,W,3) level``."""
    return "".join(f"{e.name}.png ({e.size[0]},{e.size[1]},3) {PNG_LEVEL}\n" for e in entries)


def _is_whole(folder: Path, members: list[Entry]) -> bool:
    """Whether an LMDB is as long as it claims and lists these images; one that was cut short is built again."""
    try:
        return list(read_whole_list(folder)) == [entry.name for entry in members]
    except DataError:
        return False


def update_databases(
    records: Mapping[Key, dict[str, Any]], pool: WorkerPool[Workshop], journal: Journal, *, wanted: bool
) -> int:
    """Bring the LMDBs into line with the PNG files, and delete those that are not.

    Args:
        records: What is known of the two files of each image, by journal key.
        pool: Builds them.
        journal: The data set's journal.
        wanted: Whether to build what is missing or out of date; otherwise what is out of date is only deleted.

    Returns:
        How many were built.
    """
    needed = _entries(records, journal.root)
    states = {}
    for folder, entries in needed.items():
        content = _meta_info(entries) + "".join(entry.file_digest for entry in entries)
        states[str(folder.relative_to(journal.root))] = {"content": digest_bytes(content.encode())}
    for key in journal.keys("lmdb"):
        if states.get(key[1]) != journal.get(*key):
            journal.begin_changing()
            shutil.rmtree(journal.root / key[1], ignore_errors=True)
            journal.note(None, *key)
    if not wanted:
        return 0
    tasks = [
        (folder, entries, journal.scratch)
        for folder, entries in needed.items()
        if not _is_whole(folder, entries) or journal.get("lmdb", str(folder.relative_to(journal.root))) is None
    ]
    built = pool.run(_build, tasks)
    for folder in progress(built, total=len(tasks), what="LMDB", unit="file", keep=False, shown=bool(tasks)):
        journal.begin_changing()
        place = str(folder.relative_to(journal.root))
        journal.note(states[place], "lmdb", place)
    return len(tasks)


def _build(_: Workshop, folder: Path, entries: list[Entry], scratch: Path) -> Path:
    """Build an LMDB beside and put it in its place when it is complete.

    Args:
        folder: The LMDB's folder, ``....lmdb``; an older one is replaced.
        entries: Images in the order of ``meta_info.txt``.
        scratch: Folder on the same file system for the unfinished LMDB.

    Returns:
        The folder.

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
            file.write(_meta_info(entries))
            file.flush()
            os.fsync(file.fileno())
        if folder.exists():
            os.rename(folder, unfinished.with_name(f"{unfinished.name}-replaced"))
        os.rename(unfinished, folder)
    except (OSError, lmdb.Error) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise SaveError(
            f"{folder}: cannot be written ({error}); is the disk full, or a limit (ulimit) too low?"
        ) from error
    return folder
