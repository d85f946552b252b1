"""Arguments of ``segsr prepare`` and of the data sets that it knows."""

import argparse
from pathlib import Path

from segsr_arch.cli.arguments.kinds import add_conversion, add_degradation, number, whole_number
from segsr_arch.degradations.bicubic import MAX_SCALE
from segsr_arch.preparation.data_set import DataSet, SeededSplit, amount_in_options
from segsr_arch.preparation.data_sets import DATA_SETS
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.running.processes import available_cores


def _amount(text: str) -> float:
    value = number(text)
    if value < 0 or (value >= 1 and value != int(value)):
        raise argparse.ArgumentTypeError(f"{text!r} is neither a fraction below 1 nor a whole number of images")
    return value


def _split_file(text: str) -> tuple[str, Path]:
    split, equals, path = text.partition("=")
    if split not in SPLITS or not equals or not path:
        raise argparse.ArgumentTypeError(f"{text}: expected train=FILE, val=FILE or test=FILE")
    return split, Path(path)


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``prepare`` and the data sets that it knows to the command line."""
    parser = subparsers.add_parser(
        "prepare",
        help="turn an image archive into training, validation and test data",
        description="Write HR and LR images as PNG folders and as BasicSR LMDBs, the split lists used and a manifest. "
        "The same command goes on after an interruption, skips what is done, and adds scales.",
    )
    kinds = parser.add_subparsers(dest="data_set", required=True, metavar="DATA_SET")
    for name, data_set in DATA_SETS.items():
        kind = kinds.add_parser(name, help=data_set.help, description=data_set.description)
        kind.add_argument("source", metavar="SRC", type=Path, help=data_set.source)
        kind.add_argument("root", metavar="DST", type=Path, help="folder of the prepared data set")
        kind.add_argument(
            "--scale",
            type=whole_number(least=2, most=MAX_SCALE),
            nargs="+",
            default=[4],
            metavar="S",
            help="one or more scales (default: 4)",
        )
        kind.add_argument(
            "--split",
            type=_split_file,
            nargs="+",
            metavar="SPLIT=FILE",
            help="another split: train=FILE val=FILE test=FILE, one class/name a line",
        )
        if data_set.split is not None:
            _add_rule(kind, data_set, data_set.split)
        kind.add_argument(
            "--patch",
            type=whole_number(least=1),
            default=64,
            metavar="N",
            help="side of the LR training patch; smaller images are left out of training (default: 64)",
        )
        whole = "images as they are" if data_set.tile is None else f"{data_set.tile}"
        kind.add_argument(
            "--tile",
            type=whole_number(least=16),
            metavar="N",
            help="cut images into tiles of N x N pixels, all of one image in one split; what is smaller is left out of "
            f"training (default: {whole})",
        )
        kind.add_argument(
            "--margin",
            type=whole_number(least=0),
            metavar="N",
            help="pixels that neighbouring tiles share at least; the last ones are moved back to the edge, so that "
            "nothing is lost (default: a tenth of a tile)",
        )
        add_conversion(kind, deep="they are left out", banded="are left out")
        add_degradation(kind, default="bicubic reduction alone")
        kind.add_argument("--no-lmdb", action="store_true", help="write PNG folders only")
        kind.add_argument("--strict", action="store_true", help="stop at the first problem in the source")
        kind.add_argument(
            "--jobs",
            type=whole_number(least=1),
            default=available_cores(),
            metavar="N",
            help="processes (default: one a core, %(default)s)",
        )
        kind.set_defaults(
            known=data_set, after_interruption="What was finished is kept; run the same command to go on."
        )


def _add_rule(kind: argparse.ArgumentParser, data_set: DataSet, rule: SeededSplit) -> None:
    images = "images a class" if data_set.classes != "none" else "images"
    kind.add_argument(
        "--no-split",
        action="store_true",
        help=f"folders of SRC that are called train, val and test are {data_set.other_folders}",
    )
    kind.add_argument(
        "--val",
        type=_amount,
        metavar="N",
        help=f"{images} for validation, a fraction if below 1 (default: {amount_in_options(rule.val)})",
    )
    kind.add_argument(
        "--test",
        type=_amount,
        metavar="N",
        help=f"{images} for test, a fraction if below 1 (default: {amount_in_options(rule.test)})",
    )
    kind.add_argument("--seed", type=whole_number(), metavar="N", help="seed of the split rule (default: 0)")
