"""``segsr report``: evaluations as one HTML file with tables, a before/after slider, maps and curves."""

import argparse
import sys

from segsr_arch.evaluation.report import write_report
from segsr_arch.files.locking import locked


def run(args: argparse.Namespace) -> int:
    """Write the report.

    Returns:
        0, also when image files are missing: what is not shown is said on stderr and in the report.

    Raises:
        SegsrError: See :func:`~segsr_arch.evaluation.report.write_report`.
    """
    with locked(args.out):
        report = write_report(args.runs, args.out, title=args.title, images=args.images, column=args.column)
    for note in report.notes:
        print(f"warning: {note}", file=sys.stderr)
    print(
        f"{report.path}: {report.size / 2**20:.1f} MB, {report.shown} of {report.total} images embedded"
        f"{'' if report.shown == report.total else ' (--images N for more)'}"
    )
    return 0
