"""``segsr prepare``: from an image archive to HR and LR images, LMDBs, split lists and a manifest."""

import argparse
import sys
from pathlib import Path
from typing import Any

from segsr_arch.cli.arguments.kinds import conversion_of
from segsr_arch.cli.degradations import degradation_of
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.preparation.data_set import DataSet
from segsr_arch.preparation.options import Outcome, PreparationOptions
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.splits import SPLITS, published_lists
from segsr_arch.preparation.tiling import Tiling


def _rule(args: argparse.Namespace) -> dict[str, Any]:
    """What the seeded rule is given, where no lists are."""
    defaults = {"val": args.known.split.val, "test": args.known.split.test, "seed": 0}
    given = {name: getattr(args, name) for name in defaults if getattr(args, name) is not None}
    return {**defaults, **given, "rule_is_asked": bool(given), "own_split": not args.no_split}


def _tiling(args: argparse.Namespace) -> Tiling | None:
    """How images are cut."""
    size = args.tile or args.known.tile
    if size is None:
        if args.margin is not None:
            raise ConfigError("--margin: is what neighbouring tiles share; say with --tile how large those are")
        return None
    return Tiling.of(size, args.margin)


def _options(args: argparse.Namespace) -> PreparationOptions:
    split_files: dict[str, Path] | None
    if args.split:
        split_files = dict(args.split)
        if len(split_files) < len(args.split):
            raise DataError("--split: the same split is given twice")
        for name in ("val", "test", "seed"):
            if getattr(args, name, None) is not None:
                raise DataError(f"--{name}: is for the seeded rule, and --split says which image is where; give one")
    else:
        split_files = published_lists(args.known.name) if args.known.split is None else None
    rule: dict[str, Any] = {} if split_files is not None else _rule(args)
    return PreparationOptions(
        data_set=args.known,
        source=args.source,
        root=args.root,
        scales=tuple(args.scale),
        split_files=split_files,
        tiling=_tiling(args),
        patch=args.patch,
        conversion=conversion_of(args),
        degradation=degradation_of(args, scales=args.scale),
        lmdb=not args.no_lmdb,
        strict=args.strict,
        jobs=args.jobs,
        **rule,
    )


def _report(outcome: Outcome, root: Path, data_set: DataSet) -> None:
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
        print(
            f"split: the folders {', '.join(split['folders'])} of the source "
            f"(--no-split makes them {data_set.other_folders})"
        )
    lines = outcome.problems.summary(all_in="manifest.json")
    if lines:
        print("found in the source:")
        print("\n".join(f"  {line}" for line in lines))
    for path in outcome.changed:
        print(f"changed since the last run, made again: {path}")
    if outcome.removed:
        print(f"removed {outcome.removed} pairs of an earlier run that no longer belong to the data set")
    counts = outcome.manifest["counts"]
    tiles = outcome.manifest["settings"]["tiles"]
    if tiles:
        sources = ", ".join(f"{split} {counts[split]['sources']}" for split in SPLITS)
        print(
            f"tiles of {tiles['size']} x {tiles['size']}, neighbours share at least {tiles['margin']} pixels, "
            f"from so many images: {sources}"
        )
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
    _report(outcome, args.root, args.known)
    return 0
