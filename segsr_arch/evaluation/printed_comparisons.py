"""Evaluations as tables on a terminal, and the comparison of methods that measured the same images."""

import itertools
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
    on_shared_values,
    paired_columns,
    restrict_to_common,
)
from segsr_arch.results.comparison_files import write_comparison
from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.tables import SPREAD_TEXT, Cell, Table, mean_cell, mean_of_images, to_text


def summary_table(records: Sequence[EvaluationRecord]) -> str:
    """One line a method and data set: the means over images with their 95 % intervals, and what was computed how."""
    columns: dict[str, Column] = {column.name: column for record in records for column in record.columns}

    def cell(record: EvaluationRecord, column: Column) -> Cell:
        found = record.set_values.get(column.name)
        if found is None:
            return mean_of_images(record, column)
        return Cell(value=found.value, decimals=column.decimals, note=f"(n {found.n})")

    table = Table(
        headers=("method", "data set", "images", *(column.title for column in columns.values())),
        rows=tuple(
            (
                Cell(value=record.method),
                Cell(value=record.dataset),
                Cell(value=len(record.images)),
                *(cell(record, column) for column in columns.values()),
            )
            for record in records
        ),
    )
    protocols = dict.fromkeys(column.protocol for column in columns.values() if column.protocol)
    notes = [f"{name}: {PROTOCOLS[name].description}; mean over images" for name in protocols]
    notes.append("in brackets: 95 % bootstrap interval over images")
    if any(record.spreads for record in records):
        notes.append(f"behind ±: {SPREAD_TEXT}")
    return "\n".join([to_text(table), *notes])


def pairs_table(records: Sequence[EvaluationRecord], column: Column) -> Table:
    """One line a pair of methods: mean difference with interval, shares of images won and lost."""
    rows = []
    for a, b in itertools.combinations(records, 2):
        pair = compare_records(a, b, column=column.name)
        shares = (Cell(value=share, written=f"{share:.1%}") for share in (pair.won, pair.lost))
        difference = mean_cell(pair.difference, column.decimals, signed=True)
        rows.append((Cell(value=f"{a.method} against {b.method}"), difference, *shares))
    return Table(headers=("A against B", f"A - B, {column.title}", "A wins", "B wins"), rows=tuple(rows))


def print_comparisons(records: Sequence[EvaluationRecord], *, out: Path, common: bool = False) -> bool:
    """Print means, classes and pairs of methods, and write the comparison of each data set.

    Args:
        records: Any evaluations; methods on one data set are compared if they measured the same images.
        out: The comparison of a data set is written to ``comparison/<data set>`` in this folder.
        common: Whether images that not every method has are left out; without, such methods are not compared.

    Returns:
        Whether all methods on each data set were compared.
    """
    print(summary_table(records))
    compared = True
    for line in _of_unknown_scale(records):
        print(f"\n{line}")
        compared = False
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
            compared = False
            continue
        for name in _computed_differently(methods):
            print(f"\n{dataset}: {name} is not compared, because it was not computed in the same way for every method.")
        if not columns:
            continue
        column = methods[0].column(columns[0])
        if any(record.class_summary for record in methods):
            shared = on_shared_values(methods, column=column.name)
            count, all_images = len(shared[0].values(column.name)), len(shared[0].images)
            of = "" if count == all_images else f", over the {count} of {all_images} images that all have a value of"
            print(f"\n{dataset}: {column.title} by class{of}\n{to_text(class_table(shared, column=column.name))}")
        if len(methods) > 1:
            print(f"\n{dataset}:\n{to_text(pairs_table(methods, column))}")
            folder = out / "comparison" / folder_of(dataset)
            with locked(folder):
                files = write_comparison(folder, methods)
            print(f"\nComparison: {files[-1].parent}/")
    return compared


def _of_unknown_scale(records: Sequence[EvaluationRecord]) -> list[str]:
    """Say of each data set whose methods cannot be compared because the scale of some is not known."""
    lines = []
    for dataset in dict.fromkeys(record.dataset for record in records):
        of_set = [record for record in records if record.dataset == dataset]
        unknown = [record.method for record in of_set if record.scale is None]
        known = sorted({record.scale for record in of_set if record.scale is not None})
        if unknown and known:
            scales = " and ".join(f"x{scale}" for scale in known)
            lines.append(
                f"{dataset}: {', '.join(unknown)} (scale unknown) not compared with the methods of {scales}. Evaluate "
                f"again with --scale {known[0] if len(known) == 1 else 'and the scale'}."
            )
    return lines


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
        and not all(record.column(name).is_same_figure(first.column(name)) for record in methods)
    ]
