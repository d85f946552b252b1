"""``segsr compare``: methods that were evaluated before, image by image."""

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

from segsr_arch.evaluation.printed_comparisons import print_comparisons
from segsr_arch.evaluation.saved_evaluations import find_tests
from segsr_arch.results.record import EvaluationRecord


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "compare",
        help="compare evaluated methods image by image: difference with interval, share of images won",
        description="Compare methods that segsr evaluate has measured on the same images with the same protocols.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of an evaluation, or one above")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    parser.add_argument("--common", action="store_true", help="leave out images that not every method has")
    parser.set_defaults(run=run)


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
