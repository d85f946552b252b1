"""What was done of a job so far, a line a step, so that the job can be killed at any moment and goes on afterwards.

A journal is a text file. Its first line says which job it is, every further one what a step has added. Each line begins
with the checksum of the rest: one that was torn when the process or the machine died is told from a whole one.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segsr_arch.errors import DataError
from segsr_arch.files.atomic import atomic_write

_FORMAT = 1
_NOT_NOTED = {"scene.": ("parts", "transform", "crs", "metadata")}
"""What identities of 0.6.0 and before do not say, by what stands before the key."""


@dataclass(frozen=True)
class Record:
    """One whole line of a journal.

    Attributes:
        content: What it says.
        end: Where it ends in the file.
    """

    content: dict[str, Any]
    end: int


def as_json(value: Any) -> Any:
    """What a value is after it was written as JSON and read again: tuples are lists, keys are text."""
    return json.loads(json.dumps(value))


class Journal:
    """A journal that is open for going on; a context manager.

    Attributes:
        identity: What tells the job from others.
        records: What its lines say, the torn end left out.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal that :meth:`create` has made.

        Raises:
            DataError: If it is damaged.
            FileNotFoundError: If there is none.
        """
        self._path = path
        self._file = open(path, "r+b")  # noqa: SIM115 (close() closes it)
        try:
            head, *self.records = self._read()
        except BaseException:
            self._file.close()
            raise
        self.identity, self._begin = head.content["identity"], head.end

    @property
    def named(self) -> list[list[str]] | None:
        """What the last line says about names that files are to get; ``None`` if it is about something else."""
        return self.records[-1].content.get("named") if self.records else None

    @classmethod
    def create(cls, path: Path, identity: Mapping[str, Any]) -> "Journal":
        """Begin a journal, replacing one that is there.

        Raises:
            SaveError: If it cannot be written.
        """
        with atomic_write(path) as file:
            file.write(_line({"format": _FORMAT, "identity": identity}))
        return cls(path)

    def _read(self) -> list[Record]:
        records, end = [], 0
        for line in self._file:
            content = _content(line)
            if content is None:
                break
            end += len(line)
            records.append(Record(content, end))
        if not records or records[0].content.get("format") != _FORMAT:
            raise DataError(
                f"{self._path}: this record of an unfinished run is damaged or was made by another version; start "
                f"again from the beginning with --overwrite, or remove it."
            )
        return records

    def keep(self, steps: int) -> None:
        """Drop everything that comes after so many steps, and what was torn.

        Raises:
            OSError: If the operating system refuses.
        """
        self.records = self.records[:steps]
        end = self.records[-1].end if self.records else self._begin
        self._file.seek(end)
        self._file.truncate()

    def append(self, content: Mapping[str, Any]) -> None:
        """Add a line. It outlives the process; the machine's power only after :meth:`sync`.

        Raises:
            OSError: If the operating system refuses; then the line is not there, or torn.
        """
        line = _line(content)
        self._file.write(line)
        self._file.flush()
        end = self.records[-1].end if self.records else self._begin
        self.records.append(Record(as_json(content), end + len(line)))

    def sync(self) -> None:
        """Have the disk hold every line.

        Raises:
            OSError: If the operating system refuses.
        """
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; it may be called again. What has no room has none still, and was told by :meth:`append`."""
        with contextlib.suppress(OSError):
            self._file.close()


def differences(old: Mapping[str, Any], new: Mapping[str, Any], *, above: str = "") -> list[str]:
    """Say in what two jobs differ.

    Args:
        old: Identity of one, as JSON.
        new: Identity of the other, as JSON.
        above: What the names of the keys begin with.

    Returns:
        A text for each key whose values differ: ``tile: 64 then, 128 now``.
    """
    found = []
    for key in dict.fromkeys((*old, *new)):
        if key not in old and key in _NOT_NOTED.get(above, ()):
            continue
        then, now = old.get(key), new.get(key)
        if isinstance(then, Mapping) and isinstance(now, Mapping):
            found += differences(then, now, above=f"{above}{key}.")
        elif json.dumps(then) != json.dumps(now):  # NaN is not equal to itself
            found.append(f"{above}{key}: {_short(then)} then, {_short(now)} now")
    return found


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _line(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _content(line: bytes) -> dict[str, Any] | None:
    """What a line says; ``None`` if it is not whole."""
    checksum, text = line[:8], line[9:-1]
    if not line.endswith(b"\n") or b"%08x" % zlib.crc32(text) != checksum:
        return None
    content: dict[str, Any] = json.loads(text)
    return content
