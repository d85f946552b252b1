"""Headers of images, remembered from one run to the next for large folders."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segsr_arch.files.atomic import atomic_write
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader
from segsr_arch.images.reading import read_header
from segsr_arch.running.progress import progress

REMEMBERED_FROM = 1000
"""Images of a folder from which on their headers are remembered; fewer are read faster than one thinks of it."""

_FORM = 2  # of the file
_THREADS = 8  # that wait for a disk in a network
_SHOWN_FROM = 5000
_SAMPLED = 8

_Stamp = tuple[int, int, int]


def read_headers(folder: Path, names: list[str]) -> tuple[dict[str, ImageHeader], dict[str, str]]:
    """Read the headers of images.

    What was read of a large folder is kept in the user's cache folder (``XDG_CACHE_HOME``, or ``~/.cache``) and holds
    for a file as long as its length and its times of change are the same. Where it cannot be kept, it is read again.

    Args:
        folder: Where the images are.
        names: Their names there.

    Returns:
        Headers by name; and by name, why one cannot be had.
    """
    with ThreadPoolExecutor(_THREADS) as threads:
        stamps = dict(zip(names, threads.map(_stamp, (folder / name for name in names)), strict=True))
        kept = _recall(folder) if len(names) >= REMEMBERED_FROM else {}
        headers = {name: kept[name][1] for name in names if name in kept and kept[name][0] == stamps[name]}
        unread = [name for name in names if name not in headers]
        problems: dict[str, str] = {}
        shown = progress(
            threads.map(_read, (folder / name for name in unread)),
            what=f"Headers of {folder}",
            unit="image",
            total=len(unread),
            keep=False,
            shown=len(unread) >= _SHOWN_FROM,
        )
        for name, found in zip(unread, shown, strict=True):
            if isinstance(found, str):
                problems[name] = found
            else:
                headers[name] = found
    if unread and len(names) >= REMEMBERED_FROM:
        _remember(folder, {name: (stamp, header) for name, header in headers.items() if (stamp := stamps[name])})
    return headers, problems


def read_lmdb_headers(folder: Path, names: list[str]) -> tuple[dict[str, ImageHeader], dict[str, str]]:
    """Read the headers of a few entries of an LMDB, spread evenly; reading all would be reading the whole LMDB.

    Args:
        folder: The LMDB, known to be whole.
        names: Its keys.

    Returns:
        Headers by key; and by key, why one cannot be had.
    """
    from basicsr.utils import FileClient

    client = FileClient("lmdb", db_paths=str(folder))
    headers: dict[str, ImageHeader] = {}
    problems: dict[str, str] = {}
    for name in names[:: max(1, len(names) // _SAMPLED)]:
        try:
            headers[name] = read_header(client.get(name))
        except ImageReadError as error:
            problems[name] = str(error.of(f"{name} in {folder}"))
    return headers, problems


def _stamp(path: Path) -> _Stamp | None:
    try:
        status = os.stat(path)
    except OSError:  # reading it says why
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(path: Path) -> ImageHeader | str:
    try:
        return read_header(path)
    except ImageReadError as error:
        return str(error)


def _file(folder: Path) -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return Path(root, "segsr", "image-headers", f"{name}.json")


def _recall(folder: Path) -> dict[str, tuple[_Stamp, ImageHeader]]:
    """What is remembered of a folder; nothing if there is nothing, or the file is not as it was written."""
    with contextlib.suppress(OSError, ValueError, RuntimeError, TypeError, KeyError, AttributeError):
        content = json.loads(_file(folder).read_text(encoding="utf-8"))
        if content["form"] == _FORM:
            return {name: _entry(*entry) for name, entry in content["images"].items()}
    return {}


def _entry(stamp: Iterable[int], facts: Mapping[str, Any]) -> tuple[_Stamp, ImageHeader]:
    length, modified, changed = map(int, stamp)
    return (length, modified, changed), ImageHeader(**facts)


def _remember(folder: Path, entries: Mapping[str, tuple[_Stamp, ImageHeader]]) -> None:
    content = {"form": _FORM, "images": {name: (stamp, asdict(header)) for name, (stamp, header) in entries.items()}}
    with contextlib.suppress(OSError, RuntimeError, UnicodeError):  # no home, a full disk: only slower next time
        file = _file(folder)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as stream:
            stream.write(json.dumps(content, separators=(",", ":")).encode())
