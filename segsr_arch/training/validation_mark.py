"""Remembering which validation was completed last, so that one which a kill cuts off can be made up for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.files.atomic import atomic_write
from segsr_arch.training.trained_options import plain

FILE_NAME = "validated.json"


class ValidationMark:
    """``validated.json`` in the folder of an experiment: iteration, data sets, and the best figures after them.

    Args:
        folder: The folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE_NAME
        self._content: dict[str, Any] | None = None

    def read(self) -> None:
        """Read what an earlier process has left; a file that is not whole counts as none."""
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            self._content = {key: content[key] for key in ("iteration", "datasets", "best_metrics")}
        except (OSError, ValueError, KeyError, TypeError):
            self._content = None

    def add(self, iteration: int, dataset: str, best_metrics: Mapping[str, Any]) -> None:
        """Note a validation that has been completed.

        Args:
            iteration: Of the network that was validated.
            dataset: Name of the data set.
            best_metrics: BasicSR's best figures so far.

        Raises:
            SaveError: If the file cannot be written.
        """
        before = self._content["datasets"] if self._content and self._content["iteration"] == iteration else []
        content = {"iteration": iteration, "datasets": [*before, dataset], "best_metrics": plain(best_metrics)}
        with atomic_write(self._file) as file:
            file.write(json.dumps(content).encode())
        self._content = content

    def forget(self, iteration: int) -> None:
        """Forget validations of an iteration and of later ones: a run that went back trains them again."""
        if self._content is not None and self._content["iteration"] >= iteration:
            self._file.unlink(missing_ok=True)
            self._content = None

    def completed(self, iteration: int) -> list[str] | None:
        """Names of data sets whose validation at an iteration was completed; ``None`` if all of them were."""
        if self._content is None or self._content["iteration"] < iteration:
            return []
        return self._content["datasets"] if self._content["iteration"] == iteration else None

    def best_metrics(self, iteration: int) -> dict[str, Any] | None:
        """Best figures after the validation of an iteration, if that was the last one completed."""
        if self._content is None or self._content["iteration"] != iteration:
            return None
        best: dict[str, Any] = self._content["best_metrics"]
        return best
