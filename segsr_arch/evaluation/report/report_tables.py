"""The tables of a report."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.report.sections import Section
from segsr_arch.results.comparison import class_table, compare_records
from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.tables import SPREAD_TEXT, Cell, Table, mark_best, mean_cell, mean_of_images


def short_title(column: Column) -> str:
    """The title of a column without its unit."""
    return column.title.removesuffix(f", {column.unit}")


def _heading(column: Column) -> str:
    return column.title if column.better == "higher" else f"{column.title} (lower is better)"


def _direction(column: Column) -> str:
    return f"{column.title} ({column.better} is better)"


def _marked(
    section: Section, cells: Sequence[Cell], column: Column, *, class_name: str | None = None
) -> tuple[Cell, ...]:
    """Means of the methods, the best ones marked if they can be compared, and are those of the same images."""
    same = section.comparable(column) and section.has_same_images(column, class_name=class_name)
    return mark_best(cells, column) if same else tuple(cells)


def _value_of_set(record: EvaluationRecord, column: Column) -> Cell:
    found = record.set_values.get(column.name)
    if found is None:
        return Cell()
    note = f"{'' if found.std is None else ', '}{found.n} images"
    return Cell(value=float(found.value), decimals=column.decimals, std=found.std, note=note)


def mean_table(section: Section) -> Table:
    """Means of all columns with their 95 % intervals, a row a method, and the values of whole sets."""
    set_columns = {
        name: record.column(name) if name in record.column_names else Column(name=name, metric=name)
        for record in section.records
        for name in record.set_values
    }
    names = [Cell(value=record.method) for record in section.records]
    counts = [Cell(value=float(len(record.images))) for record in section.records]
    means = [
        _marked(section, [mean_of_images(record, column) for record in section.records], column)
        for column in section.columns
    ]
    sets = [[_value_of_set(record, column) for record in section.records] for column in set_columns.values()]
    bold = any(cell.best for cells in means for cell in cells)
    return Table(
        caption=f"Means over images with 95 % intervals{', the best in bold' if bold else ''}"
        + ("; behind ±: " + SPREAD_TEXT if any(record.spreads for record in section.records) else ""),
        headers=("Method", "Images", *map(_heading, section.columns), *map(_heading, set_columns.values())),
        rows=tuple(zip(names, counts, *means, *sets, strict=True)),
    )


def per_class_table(section: Section, column: Column) -> Table | None:
    """One row a class, one column a method (Chen et al., SeG-SR, table III); ``None`` without classes."""
    table = class_table(section.records, column=column.name)
    if not table.rows:
        return None
    classes = list({row.name: row.class_name for record in section.records for row in record.images}.values())

    def row(cells: Sequence[Cell], name: str, count: int, class_name: str | None) -> tuple[Cell, ...]:
        return Cell(value=name), Cell(value=float(count)), *_marked(section, cells[1:], column, class_name=class_name)

    def class_row(cells: Sequence[Cell]) -> tuple[Cell, ...]:
        name = str(cells[0].value)
        return row(cells, name, classes.count(name), name)

    return Table(
        caption=f"{_direction(column)}, mean of each class",
        headers=("Class", "Images", *(record.method for record in section.records)),
        rows=tuple(map(class_row, table.rows)),
        foot=(row(table.foot[0], "all images", len(section.image_names), None),),
    )


def per_image_table(section: Section, column: Column) -> Table:
    """One row an image, one column a method."""
    values = [record.values(column.name) for record in section.records]
    stds = [record.stds(column.name) for record in section.records]
    class_of = {row.name: row.class_name for record in section.records for row in record.images}

    def row(name: str) -> tuple[Cell, ...]:
        found = [of_method.get(name) for of_method in values]
        cells = [
            Cell() if each is None else Cell(value=float(each), decimals=column.decimals, std=of_method.get(name))
            for each, of_method in zip(found, stds, strict=True)
        ]
        marked = mark_best(cells, column) if section.comparable(column) else cells
        return Cell(value=name), Cell(value=class_of[name] or None), *marked

    return Table(
        caption=f"{_direction(column)}, each image",
        headers=("Image", "Class", *(record.method for record in section.records)),
        rows=tuple(map(row, section.image_names)),
    )


def pair_table(section: Section, column: Column) -> tuple[Table | None, list[str]]:
    """Every pair of methods that have the column, image by image, the better one first.

    Returns:
        The table, ``None`` if no pair can be compared, and for each pair whose images are the same but whose column is
        not, why it cannot.
    """
    rows, reasons = [], []
    for a, b in itertools.combinations(section.ranked(column), 2):
        try:
            found = compare_records(a, b, column=column.name)
        except ConfigError as error:
            if frozenset((a.method, b.method)) not in section.incomparable:
                reasons.append(str(error))
            continue
        difference = mean_cell(found.difference, column.decimals + 1)  # differences are small
        if difference.interval is not None and difference.interval[0] <= 0 <= difference.interval[1]:
            difference = replace(difference, note=" contains 0")
        shares = found.won, found.lost, max(0.0, 1 - found.won - found.lost)
        rows.append(
            (
                Cell(value=f"{a.method} − {b.method}"),
                difference,
                *(Cell(value=share, written=f"{100 * share:.1f} %") for share in shares),
                Cell(value=float(found.n)),
            )
        )
    headers = ("Methods", "Mean difference", "Won by the first", "Lost", "Tied", "Images")
    caption = f"{_direction(column)}, differences on the same images with 95 % intervals"
    return (Table(caption=caption, headers=headers, rows=tuple(rows)) if rows else None), reasons


def cost_table(sections: Sequence[Section]) -> Table | None:
    """What one pass of each network costs; ``None`` if it is known of none."""

    def scaled(value: float | None, unit: float, decimals: int) -> Cell:
        return Cell() if value is None else Cell(value=value / unit, decimals=decimals)

    rows = tuple(
        (
            Cell(value=record.method),
            Cell(value=section.title),
            scaled(record.cost.parameters, 1e6, 2),
            scaled(record.cost.trainable, 1e6, 2),
            scaled(record.cost.macs, 1e9, 2),
            scaled(record.cost.seconds and 1e3 * record.cost.seconds, 1, 1),
            Cell(value=math.prod(record.cost.lr_size), written="{} × {}".format(*record.cost.lr_size)),
            Cell(value=record.cost.device),
        )
        for section in sections
        for record in section.records
        if record.cost is not None
    )
    if not rows:
        return None
    return Table(
        caption="Cost of one pass over one LR image",
        headers=("Method", "Data", "Parameters, M", "Trained, M", "MACs, G", "Median time, ms", "LR size", "Device"),
        rows=rows,
    )
