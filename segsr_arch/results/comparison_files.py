"""The files of a comparison: a table of classes for each column, and one of pairs of methods."""

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from segsr_arch.files.text_files import make_folder, write_csv
from segsr_arch.results.comparison import class_table, compare_records, on_shared_values, paired_columns
from segsr_arch.results.record import EvaluationRecord

_PAIR_HEADER = ["figure", "a", "b", "images", "mean_difference", "low", "high", "a_wins", "b_wins"]


def write_comparison(folder: str | os.PathLike[str], records: Sequence[EvaluationRecord]) -> list[Path]:
    """Write the comparison of methods on one data set.

    Args:
        folder: Made if it is not there; files of the same names are replaced.
        records: At least two methods on the same images.

    Returns:
        Paths of ``classes_<column>.csv`` (class, then one column a method; over the images that all methods have a
        value of) and ``pairs.csv`` (mean of A - B with its 95 % interval, shares of images in [0, 1]).

    Raises:
        ConfigError: If they did not measure the same images in the same way.
        SaveError: If a file cannot be written.
    """
    folder, files, pairs = make_folder(folder), [], []
    for name in paired_columns(records):
        for a, b in itertools.combinations(records, 2):
            pair = compare_records(a, b, column=name)
            found = pair.difference
            interval = [None] * 3 if found is None else [found.mean, found.low, found.high]
            pairs.append([name, a.method, b.method, pair.n, *interval, pair.won, pair.lost])
        table = class_table(on_shared_values(records, column=name), column=name)
        path = folder / f"classes_{re.sub(r'[^A-Za-z0-9._-]', '_', name)}.csv"
        files.append(write_csv(path, table.headers, table.values))
    return [*files, write_csv(folder / "pairs.csv", _PAIR_HEADER, pairs)]
