"""The folder of a fine-tuning: what it was asked for, and which of its steps are done."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.files.locking import check_free, locked
from segsr_arch.files.text_files import make_folder, write_json, write_text
from segsr_arch.training.option_files import write_options

_COMMENT = "Written by segsr finetune for {name}. Paths are seen from {folder}.\n\n  cd {folder} && {command}"


class TuneWorkplace:
    """The folder of a run.

    Args:
        folder: Made when the first thing is written to it.

    Attributes:
        folder: Its absolute path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._path = self.folder / "finetune.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            InUseError: If another process holds it, or a training that one has left behind still works in it.
        """
        with locked(self.folder, lock=self.folder / ".lock"):
            check_free(self.folder / "experiments", ".*.lock")
            yield

    def agree_on(self, settings: Mapping[str, Any]) -> None:
        """See that this run is the one that was begun here, or begin it.

        Args:
            settings: What must be the same; fit for JSON.

        Raises:
            ConfigError: If the folder holds another run, or something else.
            DataError: If what it says cannot be read.
        """
        found = self.folder.iterdir() if self.folder.is_dir() else ()
        others = [path.name for path in found if not path.name.startswith(".") and path != self._path]
        # A run that was refused before it made anything binds nobody: its remedy is often another argument.
        if not self._path.exists() or not (others or self.done):
            if others:
                raise ConfigError(
                    f"--out: {self.folder} holds other things ({', '.join(sorted(others)[:3])}); choose another folder."
                )
            self._write({"settings": dict(settings), "done": {}})
            return
        before = self._read()["settings"]
        now = json.loads(json.dumps(dict(settings)))
        differing = [
            f"{key}: {before.get(key)!r} then, {now.get(key)!r} now"
            for key in dict.fromkeys([*before, *now])
            if before.get(key) != now.get(key)
        ]
        if differing:
            raise ConfigError(
                f"--out: {self.folder} holds another run ({'; '.join(differing)}). Give the same arguments to go on "
                f"with it, or another folder."
            )

    @property
    def done(self) -> dict[str, Any]:
        """What is known of steps that are done, by their names; nothing before the run has begun."""
        done: dict[str, Any] = self._read()["done"] if self._path.exists() else {}
        return done

    def note(self, step: str, facts: Any) -> None:
        """Note that a step is done, and what is known of it."""
        content = self._read()
        self._write({**content, "done": {**content["done"], step: facts}})

    def write_options(self, kind: str, options: Mapping[str, Any], *, command: str) -> str:
        """Write an option file; returns its path as seen from the folder."""
        name = f"options/{kind}.yml"
        make_folder(self.folder / "options")
        comment = _COMMENT.format(name=options["name"], folder=self.folder, command=f"{command} -opt {name}")
        write_text(self.folder / name, write_options(options, comment=comment))
        return name

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text("utf-8"))
            if isinstance(content["settings"], dict) and isinstance(content["done"], dict):
                return dict(content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self._path} cannot be read ({error}); choose another folder.") from error
        raise DataError(f"{self._path} is not what segsr finetune writes; choose another folder.")

    def _write(self, content: Mapping[str, Any]) -> None:
        make_folder(self.folder)
        write_json(self._path, content)
