"""Text files that are whole or not there: text, JSON and CSV, and the folders that hold them."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from segsr_arch.errors import SaveError
from segsr_arch.files.atomic import atomic_write
from segsr_arch.text import csv_cell


def _speakable(value: Any) -> Any:
    """JSON has neither infinity nor NaN nor arrays: write a word, nothing, and lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {key: _speakable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_speakable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else "inf" if value > 0 else "-inf"
    return value


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder, if it is not there; returns its path.

    Raises:
        SaveError: If it cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SaveError(f"{path}: the folder cannot be made ({error.strerror}).") from error
    return Path(path)


def write_text(path: str | os.PathLike[str], text: str) -> Path:
    """Write a UTF-8 text file atomically; returns its path.

    Raises:
        SaveError: If it cannot be written; what was there before is intact.
    """
    with atomic_write(path) as file:
        file.write(text.encode(errors="backslashreplace"))  # of a path that is no UTF-8, as JSON writes it
    return Path(path)


def write_json(path: str | os.PathLike[str], content: Any) -> Path:
    """Write JSON atomically, infinities as ``"inf"``, NaN as ``null``, arrays of numpy as lists; returns the path.

    Raises:
        SaveError: If it cannot be written; what was there before is intact.
    """
    return write_text(path, json.dumps(_speakable(content), indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: str | os.PathLike[str], header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Path:
    """Write a CSV file atomically (comma, a header line, ``None`` as nothing); returns the path.

    No text is a formula to a spreadsheet or spreads over several lines, see :func:`~segsr_arch.text.csv_cell`.

    Raises:
        SaveError: If it cannot be written; what was there before is intact.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([csv_cell(value) for value in row] for row in (header, *rows))
    return write_text(path, text.getvalue())
