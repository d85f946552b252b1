"""The LMDBs of a prepared data set: which are needed, which are up to date, which have to go."""

import shutil
from collections import defaultdict
from pathlib import Path

from segsr_arch.errors import DataError
from segsr_arch.preparation.lmdb_writing import Entry, meta_info
from segsr_arch.preparation.record import PreparationRecord
from segsr_arch.preparation.worker import SIDES, Workshop, digest_bytes
from segsr_arch.running.progress import progress
from segsr_arch.running.worker_pool import WorkerPool
from segsr_arch.sources.lmdb_reading import read_whole_list


def _entries(records: dict[tuple[str, ...], dict], root: Path) -> dict[Path, list[Entry]]:
    """The images of each LMDB, in the order of their names, by the LMDB's folder."""
    entries = defaultdict(list)
    for (_, split, scale, name), made in sorted(records.items()):
        for side in SIDES:
            folder = root / split / f"{side}_x{scale}"
            entries[folder.with_name(f"{folder.name}.lmdb")].append(
                Entry(
                    name=name,
                    path=folder / f"{name}.png",
                    size=tuple(made[side]["size"]),
                    file_digest=made[side]["file_digest"],
                )
            )
    return entries


def _is_whole(folder: Path, members: list[Entry]) -> bool:
    """Whether an LMDB is as long as it claims and lists these images; one that was cut short is built again."""
    try:
        return list(read_whole_list(folder)) == [entry.name for entry in members]
    except DataError:
        return False


def update_databases(
    records: dict[tuple[str, ...], dict], pool: WorkerPool[Workshop], record: PreparationRecord, *, wanted: bool
) -> int:
    """Bring the LMDBs into line with the PNG files, and delete those that are not.

    Args:
        records: What is known of the two files of each image, by journal key.
        pool: Builds them.
        record: The data set's journal.
        wanted: Whether to build what is missing or out of date; otherwise what is out of date is only deleted.

    Returns:
        How many were built.
    """
    needed = _entries(records, record.root)
    states = {}
    for target, members in needed.items():
        content = meta_info(members) + "".join(entry.file_digest for entry in members)
        states[str(target.relative_to(record.root))] = {"content": digest_bytes(content.encode())}
    for key in record.keys("lmdb"):
        if states.get(key[1]) != record.get(*key):
            record.begin_changing()
            shutil.rmtree(record.root / key[1], ignore_errors=True)
            record.note(None, *key)
    if not wanted:
        return 0
    tasks = []
    for target, members in needed.items():
        if not _is_whole(target, members) or record.get("lmdb", str(target.relative_to(record.root))) is None:
            tasks.append((target, members, record.scratch))
    results = pool.run(Workshop.build_lmdb, tasks)
    for target in progress(results, total=len(tasks), what="LMDB", unit="file", keep=False, shown=bool(tasks)):
        record.begin_changing()
        key = str(target.relative_to(record.root))
        record.note(states[key], "lmdb", key)
    return len(tasks)
