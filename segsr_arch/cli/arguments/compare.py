"""Arguments of ``segsr compare``."""

import argparse
from pathlib import Path


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
