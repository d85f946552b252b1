"""The files of an evaluation: ``evaluation.json``, ``images.csv``, ``images.json``, ``classes.csv``, ``options.yml``.

``evaluation.json`` is written last, and an older one is removed first: a folder that has it is whole. Paths of images
that lie in the folder, or in the run that it belongs to, are relative to it, so that they can be moved together.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segsr_arch.errors import SaveError
from segsr_arch.files.text_files import make_folder, write_csv, write_json, write_text
from segsr_arch.results.record import EvaluationRecord, ImageRow
from segsr_arch.results.references import ImageReference
from segsr_arch.results.statistics import Mean

RECORD_FILE = "evaluation.json"
FORMAT = 1
PLACES = ("sr", "gt", "lq", "maps")


def _place(reference: ImageReference | None, folder: Path, root: str | os.PathLike[str] | None) -> str | None:
    return None if reference is None else str(reference.relative_to(folder, root=root))


def _conversions(row: ImageRow) -> dict[str, dict[str, Any]]:
    """How its images became RGB, by place, of those that were converted."""
    places = {place: getattr(row, place) for place in PLACES}
    return {
        place: reference.conversion.as_record()
        for place, reference in places.items()
        if reference is not None and reference.conversion.asks
    }


def _spread(row: ImageRow, folder: Path, root: str | os.PathLike[str] | None) -> dict[str, Any]:
    """What is written of the samples of an image; nothing where there are none."""
    if row.spread is None:
        return {}
    return {"spread": {**asdict(row.spread), "map": _place(row.spread.map, folder, root)}}


def _class_rows(record: EvaluationRecord) -> Iterable[list[Any]]:
    classes = [row.class_name for row in record.images]
    for class_name, columns in record.class_summary.items():
        yield [class_name, classes.count(class_name), *_means(record.column_names, columns)]
    yield ["mean", len(record.images), *_means(record.column_names, record.summary)]


def _means(names: list[str], columns: Mapping[str, Mean]) -> list[float | None]:
    return [columns[name].mean if name in columns else None for name in names]


def write_record(
    folder: str | os.PathLike[str], record: EvaluationRecord, *, root: str | os.PathLike[str] | None = None
) -> Path:
    """Write an evaluation into a folder.

    Args:
        folder: Made if it is not there; files of the same names are replaced.
        record: What to write.
        root: The run that the folder belongs to, which is moved or archived as one; ``None`` for the folder alone.

    Returns:
        The path of ``evaluation.json``.

    Raises:
        SaveError: If a file cannot be written.
    """
    folder = make_folder(folder)
    _remove(folder / RECORD_FILE)
    names = record.column_names
    spread = [name for name in names if name in record.spreads]
    images: list[dict[str, Any]] = [
        {"name": row.name, "class": row.class_name}
        | {place: _place(getattr(row, place), folder, root) for place in PLACES}
        | {"gt_digest": row.gt_digest, "values": dict(row.values), "conversions": _conversions(row)}
        | _spread(row, folder, root)
        for row in record.images
    ]
    write_csv(
        folder / "images.csv",
        ["name", "class", *names, *(f"{name} std over samples" for name in spread), *PLACES],
        (
            [row["name"], row["class"]]
            + [row["values"].get(name) for name in names]
            + [row["spread"]["values"].get(name) if "spread" in row else None for name in spread]
            + [row[key] for key in PLACES]
            for row in images
        ),
    )
    write_json(folder / "images.json", images)
    write_csv(folder / "classes.csv", ["class", "images", *names], _class_rows(record))
    if record.options is not None:
        write_text(folder / "options.yml", record.options)
    return write_json(
        folder / RECORD_FILE,
        {
            "format": FORMAT,
            "method": record.method,
            "dataset": record.dataset,
            "scale": record.scale,
            "iteration": record.iteration,
            "samples": record.samples,
            "columns": [asdict(column) for column in record.columns],
            "interval": "95 % percentile bootstrap over images, 10000 resamples, seed 0",
            "summary": {name: asdict(mean) for name, mean in record.summary.items()},
            "spreads": record.spreads,
            "set_values": {name: asdict(value) for name, value in record.set_values.items()},
            "problems": list(record.problems),
            "cost": None if record.cost is None else asdict(record.cost),
            "provenance": dict(record.provenance),
        },
    )


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SaveError(f"{path}: cannot be replaced ({error.strerror}).") from error
