"""``segsr compare``: methods that were evaluated before, image by image."""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

from segsr_arch.evaluation.printed_comparisons import print_comparisons
from segsr_arch.evaluation.saved_evaluations import find_tests
from segsr_arch.results.record import EvaluationRecord


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0."""
    print_comparisons(_with_own_names(find_tests(args.runs)), out=args.out, common=args.common)
    return 0


def _with_own_names(found: dict[Path, EvaluationRecord]) -> list[EvaluationRecord]:
    """Number evaluations of one name on one data set, and say which is which."""
    counts: Counter[tuple[str, str, int | None]] = Counter()
    records = []
    for folder, record in found.items():
        key = record.method, record.dataset, record.scale
        counts[key] += 1
        if counts[key] > 1:
            record = replace(record, method=f"{record.method} ({counts[key]})")
            print(f"{record.method} is that of {folder}.")
        records.append(record)
    return records
