"""``segsr report``: evaluations as one HTML file with tables, a before/after slider, maps and curves."""

import argparse
import sys
from pathlib import Path

from segsr_arch.cli.arguments import whole_number
from segsr_arch.files.locking import locked


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "report",
        help="write evaluations as one self-contained HTML file",
        description="Writes tables, a before/after slider, guidance maps, curves and the configuration of evaluations "
        "into one HTML file that needs no network. Image files that are missing are named, and the rest is shown.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="folder of an evaluation or a folder above it (results/NAME), or of a training (experiments/NAME)",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE", help="the file (default: report.html)"
    )
    parser.add_argument(
        "--images", type=whole_number(), default=12, metavar="N", help="images of each data set to embed (default: 12)"
    )
    parser.add_argument(
        "--column", metavar="NAME", help="figure by which images are chosen, such as psnr_y-crop (default: the first)"
    )
    parser.add_argument("--title", default="Super-resolution report", help="title of the page")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report.

    Returns:
        0, also when image files are missing: what is not shown is said on stderr and in the report.

    Raises:
        SegsrError: See :func:`~segsr_arch.evaluation.report.write_report`.
    """
    from segsr_arch.evaluation.report import write_report

    with locked(args.out):
        report = write_report(args.runs, args.out, title=args.title, images=args.images, column=args.column)
    for note in report.notes:
        print(f"warning: {note}", file=sys.stderr)
    print(
        f"{report.path}: {report.size / 2**20:.1f} MB, {report.shown} of {report.total} images embedded"
        f"{'' if report.shown == report.total else ' (--images N for more)'}"
    )
    return 0
