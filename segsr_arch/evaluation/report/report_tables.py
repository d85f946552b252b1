"""The tables of a report, as text with the values to sort by."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.report.sections import Section
from segsr_arch.results.comparison import class_table, compare_records
from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.statistics import Mean

MISSING = "–"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell.

    Attributes:
        text: What people read.
        value: What the column is sorted by; ``None`` goes last in either direction.
        detail: Smaller text below.
        best: Whether this is the best of its row or column.
    """

    text: str
    value: float | str | None
    detail: str = ""
    best: bool = False

    @property
    def is_text(self) -> bool:
        """Whether this is a word and not a number."""
        return isinstance(self.value, str)

    @property
    def key(self) -> str:
        """The value as JavaScript's ``Number`` reads it; empty if there is none."""
        if isinstance(self.value, float) and math.isinf(self.value):
            return "Infinity" if self.value > 0 else "-Infinity"
        return "" if self.value is None else str(self.value)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: What it shows.
        headers: Titles of the columns.
        rows: Rows to be sorted, at least one.
        foot: Rows that stay below them.
    """

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    foot: tuple[tuple[Cell, ...], ...] = ()

    @property
    def holds_text(self) -> tuple[bool, ...]:
        """For each column whether its values are words and not numbers."""
        return tuple(any(cell.is_text for cell in cells) for cells in zip(*self.rows, strict=True))


def format_number(value: float, decimals: int) -> str:
    """Write a number with a true minus sign, infinities as a sign."""
    text = "∞" if math.isinf(value) else f"{abs(value):.{decimals}f}"
    return f"−{text}" if value < 0 and text.strip("0.") else text


def _text(value: str) -> Cell:
    return Cell(text=value, value=value)


def _number(value: float | None, decimals: int, *, detail: str = "", best: bool = False) -> Cell:
    if value is None:
        return Cell(text=MISSING, value=None)
    return Cell(text=format_number(value, decimals), value=float(value), detail=detail, best=best)


def _interval(mean: Mean, decimals: int) -> str:
    if mean.low is None or mean.high is None:
        return ""
    return f"[{format_number(mean.low, decimals)}, {format_number(mean.high, decimals)}]"


def _are_best(values: Iterable[float | None], column: Column) -> list[bool]:
    """Which values are the best, as far as the printed digits tell; none if there is nothing to be better than."""
    values = list(values)
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return [False] * len(values)
    best = format_number(max(known) if column.better == "higher" else min(known), column.decimals)
    return [value is not None and format_number(value, column.decimals) == best for value in values]


def _number_cells(section: Section, values: Sequence[float | None], column: Column) -> Iterable[Cell]:
    """Values of the methods, the best ones marked if the methods can be compared."""
    best = _are_best(values, column) if section.comparable(column) else [False] * len(values)
    return (_number(value, column.decimals, best=is_best) for value, is_best in zip(values, best, strict=True))


def short_title(column: Column) -> str:
    """The title of a figure without its unit."""
    return column.title.removesuffix(f", {column.unit}")


def _heading(column: Column) -> str:
    return column.title if column.better == "higher" else f"{column.title} (lower is better)"


def _direction(column: Column) -> str:
    return f"{column.title} ({column.better} is better)"


def mean_table(section: Section) -> Table:
    """Means of all figures with their 95 % intervals, a row a method, and the figures of whole sets."""
    best = {
        column.name: _are_best((record.summary[column.name].mean for record in section.records), column)
        for column in section.columns
        if section.comparable(column)
    }

    def cell(number: int, column: Column) -> Cell:
        record = section.records[number]
        mean = record.summary.get(column.name)
        if mean is None:
            return _number(None, column.decimals)
        of_all = "" if mean.n == len(record.images) else f" {mean.n} of {len(record.images)} images"
        return _number(
            mean.mean,
            column.decimals,
            detail=_interval(mean, column.decimals) + of_all,
            best=column.name in best and best[column.name][number],
        )

    set_columns = {
        name: record.column(name) if name in record.column_names else Column(name=name, metric=name)
        for record in section.records
        for name in record.set_values
    }

    def set_cell(record: EvaluationRecord, column: Column) -> Cell:
        found = record.set_values.get(column.name)
        if found is None:
            return _number(None, column.decimals)
        spread = "" if found.std is None else f"± {format_number(found.std, column.decimals)}, "
        return _number(found.value, column.decimals, detail=f"{spread}{found.n} images")

    return Table(
        caption=f"Means over images with 95 % intervals{', the best in bold' if any(map(any, best.values())) else ''}",
        headers=("Method", "Images", *map(_heading, section.columns), *map(_heading, set_columns.values())),
        rows=tuple(
            (
                _text(record.method),
                _number(len(record.images), 0),
                *(cell(number, column) for column in section.columns),
                *(set_cell(record, column) for column in set_columns.values()),
            )
            for number, record in enumerate(section.records)
        ),
    )


def per_class_table(section: Section, column: Column) -> Table | None:
    """One row a class, one column a method (Chen et al., SeG-SR, table III); ``None`` without classes."""
    *classes, mean = class_table(section.records, column=column.name)
    if not classes:
        return None
    counts = {name: 0 for name, _ in classes}
    class_of = {row.name: row.class_name for record in section.records for row in record.images}
    for class_name in class_of.values():
        if class_name in counts:
            counts[class_name] += 1

    return Table(
        caption=f"{_direction(column)}, mean of each class",
        headers=("Class", "Images", *(record.method for record in section.records)),
        rows=tuple(
            (_text(name), _number(counts[name], 0), *_number_cells(section, values, column)) for name, values in classes
        ),
        foot=((_text("all images"), _number(len(section.image_names), 0), *_number_cells(section, mean[1], column)),),
    )


def per_image_table(section: Section, column: Column) -> Table:
    """One row an image, one column a method."""
    values = [record.values(column.name) for record in section.records]
    class_of = {row.name: row.class_name for record in section.records for row in record.images}
    rows = []
    for name in section.image_names:
        cells = _number_cells(section, [of_method.get(name) for of_method in values], column)
        class_cell = Cell(text=class_of[name] or MISSING, value=class_of[name] or None)
        rows.append((_text(name), class_cell, *cells))
    return Table(
        caption=f"{_direction(column)}, each image",
        headers=("Image", "Class", *(record.method for record in section.records)),
        rows=tuple(rows),
    )


def pair_table(section: Section, column: Column) -> tuple[Table | None, list[str]]:
    """Every pair of methods that have the figure, image by image, the better one first.

    Returns:
        The table, ``None`` if no pair can be compared, and for each pair whose images are the same but whose figure is
        not, why it cannot.
    """
    rows, reasons = [], []
    measured = [record for record in section.records if column.name in record.summary]
    measured.sort(key=lambda r: r.summary[column.name].mean, reverse=column.better == "higher")
    for a, b in itertools.combinations(measured, 2):
        try:
            found = compare_records(a, b, column=column.name)
        except ConfigError as error:
            if frozenset((a.method, b.method)) not in section.incomparable:
                reasons.append(str(error))
            continue
        difference = found.difference
        decimals = column.decimals + 1  # differences are small
        interval = "" if difference is None else _interval(difference, decimals)
        apart = bool(interval) and (difference.low > 0 or difference.high < 0)
        detail = interval + ("" if not interval or apart else " contains 0")
        rows.append(
            (
                _text(f"{a.method} − {b.method}"),
                _number(None if difference is None else difference.mean, decimals, detail=detail),
                *(
                    Cell(text=f"{100 * share:.1f} %", value=share)
                    for share in (found.won, found.lost, max(0.0, 1 - found.won - found.lost))
                ),
                _number(found.n, 0),
            )
        )
    headers = ("Methods", "Mean difference", "Won by the first", "Lost", "Tied", "Images")
    caption = f"{_direction(column)}, differences on the same images with 95 % intervals"
    return (Table(caption=caption, headers=headers, rows=tuple(rows)) if rows else None), reasons


def cost_table(sections: Sequence[Section]) -> Table | None:
    """What one pass of each network costs; ``None`` if it is known of none."""
    rows = []
    for section in sections:
        for record in section.records:
            cost = record.cost
            if cost is None:
                continue
            seconds = None if cost.seconds is None else 1000 * cost.seconds
            rows.append(
                (
                    _text(record.method),
                    _text(section.title),
                    _number(cost.parameters / 1e6, 2),
                    _number(cost.trainable / 1e6, 2),
                    _number(None if cost.macs is None else cost.macs / 1e9, 2),
                    _number(seconds, 1),
                    Cell(text="{} × {}".format(*cost.lr_size), value=cost.lr_size[0] * cost.lr_size[1]),
                    _text(cost.device),
                )
            )
    if not rows:
        return None
    return Table(
        caption="Cost of one pass over one LR image",
        headers=("Method", "Data", "Parameters, M", "Trained, M", "MACs, G", "Median time, ms", "LR size", "Device"),
        rows=tuple(rows),
    )
