"""Arguments of ``segsr explain``."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import add_conversion, whole_number
from segsr_arch.evaluation.vocabulary import DEFAULT_TEMPLATES


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "explain",
        help="say in words what each unit of a guided network looks at",
        description="Compares each unit's localization embedding, and the patches that its map selects, with the words "
        "of a vocabulary in the vision-language model's joint space, and says which classes drive its map. Prints a "
        "table; writes explanation.json, units.csv, classes.csv, explanation.png and .pdf.",
    )
    parser.add_argument("-opt", dest="opt", type=Path, required=True, metavar="FILE", help="option file of a test")
    parser.add_argument(
        "--image", nargs="+", type=Path, metavar="FILE", help="LR images instead of the test data sets of the options"
    )
    add_conversion(parser, deep="they are named and left out", banded="are named and left out")
    parser.add_argument(
        "--vocabulary",
        type=Path,
        metavar="FILE",
        help="terms, one a line (default: classes of UC Merced, AID and the data, and common land cover)",
    )
    parser.add_argument(
        "--template",
        action="append",
        metavar="TEXT",
        help="sentence with {} for the term; may be repeated, the embeddings are averaged (default: "
        + ", ".join(repr(template) for template in DEFAULT_TEMPLATES)
        + ")",
    )
    parser.add_argument(
        "--top", type=whole_number(least=1), default=5, metavar="N", help="terms shown for each unit (default: 5)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the files go (default: results/NAME/explanation)"
    )
    parser.add_argument("--device", help="cpu or cuda (default: as num_gpu in the options says)")
