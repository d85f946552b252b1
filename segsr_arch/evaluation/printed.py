"""Results as plain text for a terminal."""

import math
from collections.abc import Sequence

from segsr_arch.metrics.protocols import PROTOCOLS
from segsr_arch.results.comparison import class_table, compare_records
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
