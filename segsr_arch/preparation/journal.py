"""What a preparation writes down while it runs, so that the next run knows what is done: ``DST/.prepare``."""

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import IO, Any

from segsr_arch.errors import DataError, SaveError
from segsr_arch.files.atomic import atomic_write
from segsr_arch.files.locking import locked
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.sources.image_names import image_name_problem

Key = tuple[str, ...]

_DATABASE = re.compile(rf"({'|'.join(SPLITS)})/[HL]R_x\d+\.lmdb")


def _is_ours(key: Any, value: Any) -> bool:
    """Whether a line of the journal has a form that is written here: what it names is deleted if it is out of date."""
    if not (isinstance(key, list) and key and all(isinstance(part, str) for part in key)):
        return False
    if not (value is None or isinstance(value, dict)):
        return False
    match key:
        case ["made", split, scale, name]:
            return split in SPLITS and scale.isdecimal() and "/" not in name and image_name_problem(name) is None
        case ["lmdb", place]:
            return _DATABASE.fullmatch(place) is not None
        case ["inspected", _] | ["settings"]:
            return True
    return False


class Journal:
    """The settings of a prepared data set and what was done for it, held by one process at a time.

    It is a text file with one JSON record a line, appended as work is done. A line that a kill cut off is
    passed over: its work is then done again, with the same result.

    Args:
        root: The prepared data set's folder; it is made if needed.

    Raises:
        InUseError: If another process is preparing there.
        SaveError: If the folder cannot be written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / ".prepare"
        self.scratch = self.folder / "unfinished"
        self._journal_path = self.folder / "journal.jsonl"
        with contextlib.ExitStack() as stack:
            # In the folder, which is never renamed: what lies above it need not be writable.
            stack.enter_context(locked(root, lock=self.folder / "lock"))
            shutil.rmtree(self.scratch, ignore_errors=True)  # of a run that was killed
            self._entries = self._read_journal()
            self._compact()
            try:
                self.scratch.mkdir()
                self._journal: IO[str] = stack.enter_context(open(self._journal_path, "a", encoding="utf-8"))
            except OSError as error:
                raise SaveError(f"{root}: cannot be written to ({error}); choose another folder") from error
            self._held = stack.pop_all()

    def _read_journal(self) -> dict[Key, dict[str, Any]]:
        entries: dict[Key, dict[str, Any]] = {}
        if not self._journal_path.is_file():
            return entries
        with open(self._journal_path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, start=1):
                try:
                    key, value = json.loads(line)
                except ValueError:
                    continue  # the last line of a run that was killed while writing it
                if not _is_ours(key, value):
                    raise DataError(
                        f"{self._journal_path}, line {number}: is not what segsr prepare writes; choose another folder"
                    )
                if value is None:
                    entries.pop(tuple(key), None)
                else:
                    entries[tuple(key)] = value
        return entries

    def _compact(self) -> None:
        lines = "".join(json.dumps([key, value]) + "\n" for key, value in sorted(self._entries.items()))
        with atomic_write(self._journal_path) as file:
            file.write(lines.encode())

    def get(self, *key: str) -> dict[str, Any] | None:
        """Give what was noted under a key."""
        return self._entries.get(key)

    def keys(self, first: str) -> list[Key]:
        """Give all keys that start with a word."""
        return [key for key in self._entries if key[0] == first]

    def note(self, value: dict[str, Any] | None, *key: str) -> None:
        """Note a value under a key; ``None`` strikes it out.

        Raises:
            SaveError: If the journal cannot be written.
        """
        if self._entries.get(key) == value:
            return
        if value is None:
            self._entries.pop(key, None)
        else:
            self._entries[key] = value
        try:
            self._journal.write(json.dumps([key, value]) + "\n")
            self._journal.flush()
        except OSError as error:
            raise SaveError(f"{self._journal_path}: cannot be written ({error}); free some space and go on") from error

    def begin_changing(self) -> None:
        """Take the manifest away before the first change: a folder that has one is complete."""
        (self.root / "manifest.json").unlink(missing_ok=True)

    def agree_on(self, settings: dict[str, Any], scales: list[int]) -> list[int]:
        """Check that this run continues the earlier ones, and add its scales to theirs.

        Args:
            settings: What must be the same in every run on this folder.
            scales: Scales asked for now.

        Returns:
            All scales of the data set, ascending.

        Raises:
            DataError: If a setting differs, naming each.
        """
        earlier = self.get("settings")
        if earlier is None:
            self.note({"settings": settings, "scales": sorted(set(scales))}, "settings")
            return sorted(set(scales))
        known = earlier["settings"]
        wanted = json.loads(json.dumps(settings))
        differing = [
            f"{key}: {known.get(key)!r} then, {wanted[key]!r} now" for key in wanted if known.get(key) != wanted[key]
        ]
        if differing:
            raise DataError(
                f"{self.root} was prepared with other settings ({'; '.join(differing)}): "
                "give those again, choose another folder, or delete this one"
            )
        together = sorted({*scales, *earlier["scales"]})
        self.note({"settings": known, "scales": together}, "settings")
        return together

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        refused = kind is not None and issubclass(kind, DataError)
        try:
            self.close(forget=refused and not (self.keys("made") or self.keys("lmdb")))
        except OSError:
            if kind is None:  # or what failed first is to be told: a full disk refuses the journal, too
                raise

    def close(self, *, forget: bool = False) -> None:
        """Write the journal in order, and let other processes in.

        Args:
            forget: Leave nothing of it: of a run that was refused before it made anything, whose settings would only
                stand in the way of other ones.
        """
        with self._held:
            self._journal.close()
            self._compact()
            shutil.rmtree(self.scratch, ignore_errors=True)
            if forget:
                self._journal_path.unlink()
