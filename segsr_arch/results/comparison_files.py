"""The files of a comparison: a table of classes a figure, and one of pairs of methods."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from segsr_arch.files.text_files import make_folder, write_csv
from segsr_arch.results.comparison import class_table, compare_records, paired_columns
from segsr_arch.results.record import EvaluationRecord

_PAIR_HEADER = ["figure", "a", "b", "images", "mean_difference", "low", "high", "a_wins", "b_wins"]


def write_comparison(folder: str | os.PathLike, records: Sequence[EvaluationRecord]) -> list[Path]:
    """Write the comparison of methods on one data set.

    Args:
        folder: Made if it is not there; files of the same names are replaced.
        records: At least two methods on the same images.

    Returns:
        Paths of ``classes_<figure>.csv`` (class, then one column a method) and ``pairs.csv`` (mean of A - B with its
        95 % interval, shares of images in [0, 1]).

    Raises:
        ConfigError: If they did not measure the same images in the same way.
        SaveError: If a file cannot be written.
    """
    folder = make_folder(folder)
    names = paired_columns(records)
    pairs = []
    for name in names:
        for index, a in enumerate(records):
            for b in records[index + 1 :]:
                pair = compare_records(a, b, column=name)
                found = pair.difference
                interval = [None] * 3 if found is None else [found.mean, found.low, found.high]
                pairs.append([name, a.method, b.method, pair.n, *interval, pair.won, pair.lost])
    methods = [record.method for record in records]
    files = [
        write_csv(
            folder / f"classes_{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.csv",
            ["class", *methods],
            ([class_name, *values] for class_name, values in class_table(records, column=name)),
        )
        for name in names
    ]
    return [*files, write_csv(folder / "pairs.csv", _PAIR_HEADER, pairs)]
