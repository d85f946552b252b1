"""Evaluations as tables on a terminal, and the comparison of methods that measured the same images."""

import math
from collections.abc import Sequence
from pathlib import Path

from segsr_arch.errors import ConfigError
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_of
from segsr_arch.metrics.protocols import PROTOCOLS
from segsr_arch.results.comparison import (
    by_dataset,
    check_comparable,
    class_table,
    compare_records,
    paired_columns,
    restrict_to_common,
)
from segsr_arch.results.comparison_files import write_comparison
from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.statistics import Mean


def align(rows: Sequence[Sequence[str]]) -> str:
    """Set a table in columns: the first one to the left, the others to the right, a line under the header."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in (lines[0], "-" * len(lines[0]), *lines[1:]))


def number(value: float | None, column: Column, *, sign: bool = False) -> str:
    """Write a value with the digits of its column; nothing becomes a dash."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:{'+' if sign else ''}.{column.decimals}f}"


def _with_interval(mean: Mean | None, column: Column, *, sign: bool = False) -> str:
    if mean is None:
        return "-"
    text = number(mean.mean, column, sign=sign)
    if mean.low is None:
        return text
    return f"{text} [{number(mean.low, column, sign=sign)}, {number(mean.high, column, sign=sign)}]"


def summary_table(records: Sequence[EvaluationRecord]) -> str:
    """One line a method and data set: the means over images with their 95 % intervals, and what was computed how."""
    columns: dict[str, Column] = {column.name: column for record in records for column in record.columns}
    header = ["method", "data set", "images", *(column.title for column in columns.values())]
    rows = [header]
    for record in records:
        cells = [record.method, record.dataset, str(len(record.images))]
        for name, column in columns.items():
            if name in record.set_values:
                cells.append(f"{number(record.set_values[name].value, column)} (n {record.set_values[name].n})")
            else:
                cells.append(_with_interval(record.summary.get(name), column))
        rows.append(cells)
    protocols = dict.fromkeys(column.protocol for column in columns.values() if column.protocol)
    notes = [f"{name}: {PROTOCOLS[name].description}; mean over images" for name in protocols]
    notes.append("in brackets: 95 % bootstrap interval over images")
    return "\n".join([align(rows), *notes])


def classes_table(records: Sequence[EvaluationRecord], column: Column) -> str:
    """One line a class, one column a method (as table III of SeG-SR), the mean over all images last."""
    rows = [["class", *(record.method for record in records)]]
    rows += [
        [name, *(number(value, column) for value in values)]
        for name, values in class_table(records, column=column.name)
    ]
    return f"{column.title} by class\n{align(rows)}"


def pairs_table(records: Sequence[EvaluationRecord], column: Column) -> str:
    """One line a pair of methods: mean difference with interval, shares of images won and lost."""
    rows = [["A against B", f"A - B, {column.title}", "A wins", "B wins"]]
    for index, a in enumerate(records):
        for b in records[index + 1 :]:
            pair = compare_records(a, b, column=column.name)
            difference = _with_interval(pair.difference, column, sign=True)
            rows.append([f"{a.method} against {b.method}", difference, f"{pair.won:.1%}", f"{pair.lost:.1%}"])
    return align(rows)


def print_comparisons(records: Sequence[EvaluationRecord], *, out: Path, common: bool = False) -> None:
    """Print means, classes and pairs of methods, and write the comparison of each data set.

    Args:
        records: Any evaluations; methods on one data set are compared if they measured the same images.
        out: The comparison of a data set is written to ``comparison/<data set>`` in this folder.
        common: Whether images that not every method has are left out; without, such methods are not compared.
    """
    print(summary_table(records))
    for dataset, methods in by_dataset(records).items():
        try:
            if common:
                methods = _on_common_images(methods)
            for other in methods[1:]:
                check_comparable(methods[0], other)
            columns = paired_columns(methods)
        except ConfigError as error:
            hint = "" if common else " segsr compare --common compares on the images that all have."
            print(f"\n{dataset}: not compared. {error}{hint}")
            continue
        for name in _computed_differently(methods):
            print(f"\n{dataset}: {name} is not compared, because it was not computed in the same way for every method.")
        if not columns:
            continue
        column = methods[0].column(columns[0])
        if any(record.class_summary for record in methods):
            print(f"\n{dataset}: {classes_table(methods, column)}")
        if len(methods) > 1:
            print(f"\n{dataset}:\n{pairs_table(methods, column)}")
            folder = out / "comparison" / folder_of(dataset)
            with locked(folder):
                files = write_comparison(folder, methods)
            print(f"\nComparison: {files[-1].parent}/")


def _on_common_images(methods: Sequence[EvaluationRecord]) -> Sequence[EvaluationRecord]:
    restricted = restrict_to_common(methods)
    left_out = {row.name for record in methods for row in record.images} - {row.name for row in restricted[0].images}
    if left_out:
        print(f"\nCompared on the {len(restricted[0].images)} images that all methods have, without {len(left_out)}:")
        print(summary_table(restricted))
    return restricted


def _computed_differently(methods: Sequence[EvaluationRecord]) -> list[str]:
    first = methods[0]
    return [
        name
        for name in first.column_names
        if all(name in record.column_names for record in methods)
        and any(record.column(name) != first.column(name) for record in methods)
    ]
