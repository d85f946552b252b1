"""``segsr compare``: methods that were evaluated before, image by image."""

import argparse

from segsr_arch.evaluation.printed_comparisons import print_comparisons
from segsr_arch.evaluation.saved_evaluations import find_tests
from segsr_arch.results.comparison import with_own_names


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 1 if methods on one data set could not be compared, else 0."""
    found = find_tests(args.runs)
    named = with_own_names(found.values())
    for folder, (record, number) in zip(found, named, strict=True):
        if number > 1:
            print(f"{record.method} is that of {folder}.")
    compared = print_comparisons([record for record, _ in named], out=args.out, common=args.common)
    return 0 if compared else 1
