"""The small file beside a raster that says which job has made it."""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.files.atomic import hidden_name
from segsr_arch.files.text_files import write_json
from segsr_arch.scenes.output.journal import as_json, differences


class Sidecar:
    """The file ``NAME.json`` beside a raster ``NAME``.

    Attributes:
        path: Where it lies.
        hidden: Where it lies before the raster has its name.
        identity: What tells the job at hand from others, as JSON.
    """

    def __init__(self, raster: Path, identity: Mapping[str, Any]) -> None:
        self.path = raster.with_name(f"{raster.name}.json")
        self.hidden = raster.with_name(hidden_name(self.path.name, ".aside"))
        self.identity = as_json(identity)
        self._raster = raster
        text = json.dumps(self.identity, sort_keys=True)
        self._digest = hashlib.sha256(text.encode()).hexdigest()

    @property
    def report(self) -> dict[str, Any]:
        """What the job that has made the raster has found out; nothing if it is not known."""
        report: dict[str, Any] = self._made().get("report", {})
        return report

    def write_hidden(self, report: Mapping[str, Any]) -> None:
        """Write it under its hidden name.

        Args:
            report: What was found out.

        Raises:
            SaveError: If it cannot be written.
        """
        write_json(self.hidden, {"digest": self._digest, "identity": self.identity, "report": report})

    @property
    def suffixes(self) -> set[str]:
        """Suffixes of the rasters that the job has made that has written the file; nothing if it is not known."""
        output: dict[str, dict[str, str]] = self._made().get("identity", {}).get("output", {})
        return {raster["suffix"] for raster in output.values()}

    @property
    def differs(self) -> list[str]:
        """In what the job that has made the raster and the one at hand differ, a text each; nothing if they do not."""
        made = self._made()
        if made.get("digest") == self._digest:
            return []
        return differences(made["identity"], self.identity) if made else ["nothing tells how it was made"]

    def check(self) -> None:
        """See that what is there is the raster that the job at hand would make, or no raster and no other file.

        Raises:
            ConfigError: If it is something else; the message says what differs.
        """
        if os.path.lexists(self._raster):
            if differs := self.differs:
                raise ConfigError(
                    f"{self._raster} exists ({'; '.join(differs)}). Choose another name, or replace it with "
                    f"--overwrite."
                )
        elif os.path.lexists(self.path) and not self._made():
            raise ConfigError(
                f"{self.path} exists and is something else than what would be written there of how "
                f"{self._raster.name} was made. Choose another name, or replace it with --overwrite."
            )

    def _made(self) -> dict[str, Any]:
        """What the file says; nothing if it is none of this kind."""
        with contextlib.suppress(OSError, ValueError):
            made = json.loads(self.path.read_text("utf-8"))
            if isinstance(made, dict) and isinstance(made.get("identity"), dict):
                return made
        return {}
