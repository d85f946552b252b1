"""Manifests: CSV files that list scenes and where they go."""

import csv
import io
import os
from collections.abc import Callable
from pathlib import Path

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.known_names import close_matches
from segsr_arch.scenes.many.source_names import is_local, output_name
from segsr_arch.text import read_text

_COLUMNS = ("src", "dst")
_SHOWN = 20


def read_manifest(path: Path, *, folder: Path | None, ending: Callable[[str], str]) -> list[tuple[str, Path]]:
    """Read a manifest: commas, one scene a line, and a line above that names the columns ``src`` and ``dst``.

    Relative paths are seen from the folder of the manifest. Further columns are of no concern here, nor are empty
    lines.

    Args:
        path: The file.
        folder: Where the scenes go if there is no column ``dst``, each under its source's name; ``None`` if there must
            be one.
        ending: Gives the ending of a file in ``folder`` for the name of its source.

    Returns:
        Source and destination of each scene, in the order of the lines.

    Raises:
        ConfigError: If destinations are given both ways, or neither.
        DataError: If the file cannot be read, lists nothing, has no column ``src``, or lines that are not filled.
    """
    rows = csv.reader(io.StringIO(read_text(path, "a manifest")), strict=True)
    try:
        lines = [(rows.line_num, [cell.strip() for cell in row]) for row in rows if any(map(str.strip, row))]
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: is no CSV ({error}).") from error
    if not lines:
        raise DataError(f"{path}: an empty manifest; its first line is src,dst, and each further one a scene.")
    header = lines[0][1]
    _check_header(path, header, folder)
    columns = [header.index(name) for name in _COLUMNS if name in header]
    unfilled = [number for number, row in lines[1:] if len(row) != len(header) or not all(row[i] for i in columns)]
    if unfilled:
        numbers = ", ".join(map(str, unfilled[:_SHOWN])) + (", ..." if len(unfilled) > _SHOWN else "")
        raise DataError(
            f"{path}: its first line names {len(header)} columns, {','.join(header)}; not so filled: line {numbers}."
        )
    if len(lines) == 1:
        raise DataError(f"{path}: lists no scene below its first line.")
    pairs = []
    for _, row in lines[1:]:
        src = row[header.index("src")]
        if is_local(src, folder=path.parent):
            src = os.path.join(path.parent, src)
        dst = path.parent / row[header.index("dst")] if folder is None else folder / output_name(src, ending(src))
        pairs.append((src, dst))
    return pairs


def _check_header(path: Path, header: list[str], folder: Path | None) -> None:
    if "src" not in header or len(set(header)) < len(header):
        meant = close_matches("src", header, most=1)
        hint = f" (did you mean src by {meant[0]!r}?)" if meant else ""
        raise DataError(f"{path}: its first line must name the columns src,dst; got {','.join(header)!r}{hint}.")
    if "dst" in header and folder is not None:
        raise ConfigError(f"{path}: has a column dst, and {folder} is given as well; leave one of them out.")
    if "dst" not in header and folder is None:
        raise ConfigError(f"{path}: has no column dst; add it, or give a folder for all.")
