"""``segsr prepare``: from an image archive to HR and LR images, LMDBs, split lists and a manifest."""

import argparse
import sys
from pathlib import Path
from typing import Any

from segsr_arch.cli.arguments import add_conversion, conversion_of, number, whole_number
from segsr_arch.degradations.bicubic import MAX_SCALE
from segsr_arch.errors import DataError
from segsr_arch.preparation.data_set import SeededSplit
from segsr_arch.preparation.data_sets import DATA_SETS
from segsr_arch.preparation.options import Outcome, PreparationOptions
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.splits import SPLITS, published_lists
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
        kind.add_argument(
            "source", metavar="SRC", type=Path, help="the official .zip, or the folder it was unpacked to"
        )
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
            _add_rule(kind, data_set.split)
        kind.add_argument(
            "--patch",
            type=whole_number(least=1),
            default=64,
            metavar="N",
            help="side of the LR training patch; smaller images are left out of training (default: 64)",
        )
        add_conversion(kind, deep="they are left out", banded="are left out")
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
            run=run, known=data_set, after_interruption="What was finished is kept; run the same command to go on."
        )


def _add_rule(kind: argparse.ArgumentParser, rule: SeededSplit) -> None:
    kind.add_argument(
        "--no-split", action="store_true", help="folders of SRC that are called train, val and test are classes"
    )
    kind.add_argument(
        "--val",
        type=_amount,
        metavar="N",
        help=f"images a class for validation, a fraction if below 1 (default: {rule.val:g})",
    )
    kind.add_argument(
        "--test",
        type=_amount,
        metavar="N",
        help=f"images a class for test, a fraction if below 1 (default: {rule.test:g})",
    )
    kind.add_argument("--seed", type=whole_number(), metavar="N", help="seed of the split rule (default: 0)")


def _rule(args: argparse.Namespace) -> dict[str, Any]:
    """What the seeded rule is given, where no lists are."""
    defaults = {"val": args.known.split.val, "test": args.known.split.test, "seed": 0}
    given = {name: getattr(args, name) for name in defaults if getattr(args, name) is not None}
    return {**defaults, **given, "rule_is_asked": bool(given), "own_split": not args.no_split}


def _options(args: argparse.Namespace) -> PreparationOptions:
    if args.split:
        split_files = dict(args.split)
        if len(split_files) < len(args.split):
            raise DataError("--split: the same split is given twice")
        for name in ("val", "test", "seed"):
            if getattr(args, name, None) is not None:
                raise DataError(f"--{name}: is for the seeded rule, and --split says which image is where; give one")
    else:
        split_files = published_lists(args.known.name) if args.known.split is None else None
    rule = {} if split_files is not None else _rule(args)
    return PreparationOptions(
        data_set=args.known,
        source=args.source,
        root=args.root,
        scales=tuple(args.scale),
        split_files=split_files,
        patch=args.patch,
        conversion=conversion_of(args),
        lmdb=not args.no_lmdb,
        strict=args.strict,
        jobs=args.jobs,
        **rule,
    )


def _report(outcome: Outcome, root: Path) -> None:
    """Say what was done, what was found, and what is there now."""
    if outcome.missing:
        some = ", ".join(outcome.missing[:3])
        print(
            f"warning: {len(outcome.missing)} of the {outcome.listed} listed images are not in the source "
            f"({some}{', ...' if len(outcome.missing) > 3 else ''}{outcome.hint}); prepared without them",
            file=sys.stderr,
        )
    split = outcome.manifest["settings"]["split"]
    if split["rule"] == "folders":
        print(f"split: the folders {', '.join(split['folders'])} of the source (--no-split makes them classes)")
    lines = outcome.problems.summary(all_in="manifest.json")
    if lines:
        print("found in the source:")
        print("\n".join(f"  {line}" for line in lines))
    for path in outcome.changed:
        print(f"changed since the last run, made again: {path}")
    if outcome.removed:
        print(f"removed {outcome.removed} pairs of an earlier run that no longer belong to the data set")
    counts = outcome.manifest["counts"]
    for scale in outcome.manifest["scales"]:
        here = ", ".join(f"{split} {counts[split]['by_scale'][f'x{scale}']}" for split in SPLITS)
        print(
            f"x{scale}: {here}; written now {outcome.written.get(scale, 0)}, done before {outcome.intact.get(scale, 0)}"
        )
        if not counts["train"]["by_scale"][f"x{scale}"]:
            print(f"warning: there is nothing to train on at x{scale}", file=sys.stderr)
    if not (outcome.written or outcome.removed or outcome.databases):
        print("nothing to do: everything was done before")
    print(f"data digest {outcome.manifest['data_digest'][:16]}, manifest {root / 'manifest.json'}")


def run(args: argparse.Namespace) -> int:
    """Run ``segsr prepare``.

    Returns:
        0.

    Raises:
        SegsrError: See :func:`~segsr_arch.preparation.run.prepare`.
    """
    outcome = prepare(_options(args))
    _report(outcome, args.root)
    return 0
