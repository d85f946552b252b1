"""From folders of evaluations to one HTML file."""

import base64
import datetime
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from segsr_arch import __version__
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.report.configuration import describe, random_weights_warnings
from segsr_arch.evaluation.report.curves import Chart, draw_charts
from segsr_arch.evaluation.report.rankings import Ranking, choose_images, rank_images
from segsr_arch.evaluation.report.report_tables import (
    Table,
    cost_table,
    mean_table,
    pair_table,
    per_class_table,
    per_image_table,
)
from segsr_arch.evaluation.report.sections import (
    Section,
    distinct_runs,
    group_records,
    last_validations,
    without_repetitions,
)
from segsr_arch.evaluation.report.viewer import Viewer, build_viewer, side_key
from segsr_arch.evaluation.saved_evaluations import find_records
from segsr_arch.files.text_files import make_folder, write_text
from segsr_arch.known_names import nearest_hint
from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.statistics import LEVEL, RESAMPLES


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report that was written.

    Attributes:
        path: The HTML file.
        size: Its size in bytes.
        shown: Number of images that are embedded.
        total: Number of images that were evaluated.
        notes: What is missing in it or must be known.
    """

    path: Path
    size: int
    shown: int
    total: int
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _ColumnTables:
    """The tables of one column of one section."""

    column: Column
    pairs: Table | None
    reasons: list[str]
    classes: Table | None
    images: Table


@dataclass(frozen=True, kw_only=True)
class _View:
    """One section as the page shows it."""

    section: Section
    means: Table
    figures: tuple[_ColumnTables, ...]
    column: Column | None
    rankings: tuple[Ranking, ...]
    viewer: Viewer | None
    notes: tuple[str, ...]

    def side(self, method: str | None) -> str:
        """Identifier of a method's side in the slider."""
        return side_key(self.section, method)

    def not_embedded(self, ranking: Ranking) -> list[str]:
        """What a ranking says of images that are not in the page."""
        return [f"{name} ({text})" for name, text in ranking.entries if self.viewer.index(name) is None]


def _find(path: str | os.PathLike) -> tuple[list[EvaluationRecord], list[EvaluationRecord]]:
    """Tests and validations in a folder.

    Raises:
        DataError: If it holds neither, or one cannot be read.
    """
    found = [record for _, record in find_records(path)]
    if not found:
        raise DataError(
            f"{path}: no evaluation.json in it or below it; give a folder that segsr evaluate or a training has "
            f"written."
        )
    tests = [record for record in found if record.iteration is None]
    validations = [record for record in found if record.iteration is not None]
    return tests, sorted(validations, key=lambda record: (record.dataset, record.iteration))


def _choose_column(sections: Sequence[Section], name: str | None) -> None:
    """Make sure that the chosen column is known.

    Raises:
        ConfigError: If no section has it; those that there are are named.
    """
    known = sorted({column.name for section in sections for column in section.columns})
    if name is not None and name not in known:
        raise ConfigError(f"--column {name}: no method has this figure{nearest_hint(name, known)}")


def _build_view(section: Section, *, column_name: str | None, images: int) -> _View:
    notes = list(section.notes)
    column = section.column(column_name) if column_name else None
    if column is None and section.columns:
        column = section.columns[0]
        if column_name:
            notes.append(f"{column_name} was not computed here; images are chosen by {column.name}.")
    rankings = rank_images(section, column) if column else []
    names = choose_images(section, column, rankings, images)
    reasons: dict[str, list[str]] = {}
    for ranking in rankings:
        for name, text in ranking.entries:
            reasons.setdefault(name, []).append(f"{ranking.title}: {text}")
    best = section.best_record(column) if column else None
    viewer = build_viewer(section, names, reasons, best=best and best.method)
    figures = []
    for each in section.columns:
        pairs, why_not = pair_table(section, each)
        figures.append(
            _ColumnTables(
                column=each,
                pairs=pairs,
                reasons=why_not,
                classes=per_class_table(section, each),
                images=per_image_table(section, each),
            )
        )
    return _View(
        section=section,
        means=mean_table(section),
        figures=tuple(figures),
        column=column,
        rankings=tuple(rankings),
        viewer=viewer,
        notes=tuple(notes) + (viewer.notes if viewer else ()),
    )


def _digest(text: str) -> str:
    """A script or style sheet as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _data_block(content: Any) -> Markup:
    """JSON that cannot end the element that holds it."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _render(views: Sequence[_View], charts: Sequence[Chart], *, title: str, random_weights: Sequence[str]) -> str:
    sections = [view.section for view in views]
    page = files("segsr_arch.evaluation.report").joinpath("page")
    style, script = (page.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    environment = Environment(
        loader=PackageLoader("segsr_arch.evaluation.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        title=title,
        views=views,
        charts=charts,
        costs=cost_table(sections),
        configurations=describe(sections),
        random_weights=random_weights,
        level=f"{100 * LEVEL:.0f} %",
        resamples=f"{RESAMPLES:,}",
        version=__version__,
        created=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(style),
        script=Markup(script),
        style_digest=_digest(style),
        script_digest=_digest(script),
        data_block=_data_block,
    )


def write_report(
    paths: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    *,
    title: str,
    images: int,
    column: str | None = None,
) -> Report:
    """Write evaluations as one HTML file that needs no other file and no network.

    Tests make the tables; validations make the curves. Where there are only validations, the tables show the last one
    of each run.

    Args:
        paths: Folders of evaluations, or folders above them.
        out: The file; its folder is made if it is not there.
        title: Title of the page.
        images: How many images of each data set are embedded, at most.
        column: By which they are chosen, for instance ``psnr_y-crop``; the first one if ``None``.

    Returns:
        What was written; its notes name missing image files, methods that cannot be compared, and random weights.

    Raises:
        ConfigError: If ``images`` is negative or no method has the column.
        DataError: If a path holds no evaluation, or one cannot be read.
        SaveError: If the file cannot be written.
    """
    if images < 0:
        raise ConfigError(f"--images {images}: give 0 or more.")
    found = [_find(path) for path in paths]
    tests = without_repetitions(record for of_path, _ in found for record in of_path)
    validations, notes = distinct_runs([of_path for _, of_path in found])
    sections = group_records(tests or last_validations(validations))
    _choose_column(sections, column)
    views = [_build_view(section, column_name=column, images=images) for section in sections]
    shown = [record for section in sections for record in section.records]
    random_weights = random_weights_warnings([*shown, *validations])
    text = _render(views, draw_charts(validations), title=title, random_weights=random_weights)
    out = Path(out)
    make_folder(out.parent)
    write_text(out, text)
    return Report(
        path=out,
        size=len(text.encode()),
        shown=sum(len(view.viewer.images) for view in views if view.viewer),
        total=sum(len(section.image_names) for section in sections),
        notes=(
            *notes,
            *random_weights,
            *(f"{view.section.title}: {note}" for view in views for note in (*view.notes, *view.section.obstacles)),
        ),
    )
