"""Arguments of ``segsr report``."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import whole_number


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
