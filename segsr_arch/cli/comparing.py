"""Printing evaluations, and comparing methods that measured the same images."""

from collections.abc import Sequence
from pathlib import Path

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.printed import classes_table, pairs_table, summary_table
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_of
from segsr_arch.results.comparison import by_dataset, check_comparable, paired_columns, restrict_to_common
from segsr_arch.results.comparison_files import write_comparison
from segsr_arch.results.record import EvaluationRecord


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
