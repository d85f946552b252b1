"""The values of a table by class: those of a run's images of one class, averaged, over seeds."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from segsr_arch.reproduction.outcome import PSNR, SSIM, Outcome, RowOutcome, Spread
from segsr_arch.reproduction.rows import PaperValues
from segsr_arch.results.classes import NO_CLASS
from segsr_arch.results.record import Column
from segsr_arch.results.tables import Cell, Table, mark_best

CLASS_COLUMNS = (PSNR, SSIM)
"""The values that the paper tells of classes, as evaluations name them."""


def of_class(row: RowOutcome, column: str) -> dict[str, Spread]:
    """Average a value over the images of each class.

    Args:
        row: A row; of one whose runs cannot be compared there is nothing.
        column: Name of the value, such as ``psnr_y-crop``.

    Returns:
        Over seeds, by class; images without a class are in none.
    """
    if column not in row.values:
        return {}
    found: dict[str, list[float]] = {}
    for one in row.measured:
        of_run: dict[str, list[float]] = {}
        for image in one.record.images:
            if image.class_name != NO_CLASS and column in image.values:
                of_run.setdefault(image.class_name, []).append(image.values[column])
        for name, values in of_run.items():
            found.setdefault(name, []).append(statistics.fmean(values))
    return {name: Spread.of(values) for name, values in found.items()}


def of_paper(paper: PaperValues | None, column: str) -> float | None:
    """What the paper reports of a value: PSNR or SSIM."""
    return paper and (paper.psnr if column == PSNR else paper.ssim)


def image_counts(outcome: Outcome) -> dict[str, int]:
    """Count the images of each class that the rows were measured on: the paper's classes in its order, then others."""
    counted = Counter(image.class_name for one in outcome.measured[:1] for image in one.record.images)
    names = [name for row in outcome.rows for name in row.planned.row.paper_classes]
    return {name: counted[name] for name in dict.fromkeys([*names, *sorted(counted)]) if name != NO_CLASS}


def class_lines(outcome: Outcome) -> list[str]:
    """Say which classes only the paper has, which only the images, and how many images have none."""
    if not outcome.measured:
        return []
    of_the_paper = {name for row in outcome.rows for name in row.planned.row.paper_classes}
    counts = image_counts(outcome)
    absent = [name for name in counts if counts[name] == 0]
    others = [name for name in counts if name not in of_the_paper]
    without = len(outcome.measured[0].record.images) - sum(counts.values())
    lines = ["Classes: mean over the images of each; in Markdown the best of ours and of the paper's are bold."]
    lines += [f"Classes of the paper without an image here: {', '.join(absent)}."] if absent else []
    lines += [f"Classes that the paper does not have: {', '.join(others)}."] if others else []
    lines += [f"Images without a class, which are in no line: {without}."] if without else []
    return lines


def class_table(outcome: Outcome, column: str) -> Table:
    """The table of one value: a line for each class, the mean over all images at the foot.

    Args:
        outcome: Of a table by class.
        column: One of :data:`CLASS_COLUMNS`.

    Returns:
        Beside each method's value what the paper reports; what does not exist is a dash.
    """
    values = [of_class(row, column) for row in outcome.rows]
    header = ["class", "images"]
    for row in outcome.rows:
        header += [f"{row.planned.row.label}, paper", row.planned.row.label]
    counts, lines = image_counts(outcome), []
    for name, count in counts.items():
        paper = [of_paper(row.planned.row.paper_classes.get(name), column) for row in outcome.rows]
        cells = _pairs(paper, [each.get(name) for each in values], column)
        lines.append((Cell(value=name), Cell(value=count), *cells))
    total = max((len(one.record.images) for one in outcome.measured), default=0)
    means = _pairs(
        [of_paper(row.paper, column) for row in outcome.rows], [row.values.get(column) for row in outcome.rows], column
    )
    foot = (Cell(value="all images"), Cell(value=total), *means)
    return Table(headers=tuple(header), rows=tuple(lines), foot=(foot,))


def _pairs(paper: Sequence[float | None], ours: Sequence[Spread | None], column: str) -> list[Cell]:
    """Cells of the paper's values and ours in turn, the best of each kind marked."""
    metric = Column(name=column, metric=column.partition("_")[0])
    theirs = mark_best([Cell(value=value, decimals=metric.decimals) for value in paper], metric)
    own = mark_best(
        [Cell() if each is None else Cell(value=each.mean, std=each.std, decimals=metric.decimals) for each in ours],
        metric,
    )
    return [cell for pair in zip(theirs, own, strict=True) for cell in pair]


def class_json(row: RowOutcome) -> dict[str, Any]:
    """What JSON holds of a row of a table by class: by class the values by column, and the paper's."""
    values = {column: of_class(row, column) for column in CLASS_COLUMNS}
    paper = row.planned.row.paper_classes
    names = dict.fromkeys([*paper, *(name for each in values.values() for name in sorted(each))])
    return {
        name: {
            "paper": asdict(paper[name]) if name in paper else None,
            "figures": {column: asdict(each[name]) for column, each in values.items() if name in each},
        }
        for name in names
    }
