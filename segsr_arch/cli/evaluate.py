"""``segsr evaluate``: figures that carry their protocol, of trained networks or of anybody's images."""

import argparse
import contextlib
import sys

from segsr_arch.cli.arguments.kinds import conversion_of
from segsr_arch.cli.evaluating import evaluate_folders, evaluate_options, evaluation_folder
from segsr_arch.config.imports import import_entries
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures_and_report import write_pictures
from segsr_arch.evaluation.printed_comparisons import print_comparisons
from segsr_arch.metrics import listing

MISSING = 1


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, or 1 if something could not be measured and ``--allow-missing`` is not given."""
    if not args.list:
        _check_arguments(args)
    import_entries(args.imports, source="--imports")
    if args.list:
        print(listing.as_text())
        return 0
    with contextlib.ExitStack() as held:
        return _evaluate(args, held)


def _evaluate(args: argparse.Namespace, held: contextlib.ExitStack) -> int:
    """Evaluate, compare and draw, the methods' folders locked for as long as ``held`` is open."""
    records = evaluate_options(args, held) if args.opt else evaluate_folders(args, held)
    print()
    print_comparisons(records, out=args.out)
    for record in records:
        print(f"{record.method} on {record.dataset}: {evaluation_folder(args.out, record.method, record.dataset)}/")
    missing = 0
    if args.report:
        folders = [evaluation_folder(args.out, record.method, record.dataset) for record in records]
        missing = write_pictures(records, folders, out=args.out)
    problems = sum(len(record.problems) for record in records)
    if problems:
        words = f"{problems} problem{'s' if problems > 1 else ''}"
        print(f"{words}, listed in evaluation.json; the means leave them out.", file=sys.stderr)
    return MISSING if problems + missing and not args.allow_missing else 0


def _check_arguments(args: argparse.Namespace) -> None:
    if bool(args.opt) == bool(args.sr):
        raise ConfigError("Give either option files (-opt FILE ...) or images (--sr DIR --gt DIR).")
    for name in ("gt", "lq", "scale", "dataset"):
        if args.opt and getattr(args, name) is not None:
            raise ConfigError(f"--{name}: is for --sr; with -opt, data sets and scale stand in the option file.")
    if args.opt and args.imports:
        raise ConfigError("--imports: is for --sr; with -opt, imports: stands in the option file.")
    if args.opt and conversion_of(args).asks:
        raise ConfigError("--range, --bands: are for --sr; with -opt, the data sets have value_range: and bands:.")
    for name in ("force_yml", "no_images", "no_cost"):
        if args.sr and getattr(args, name):
            raise ConfigError(f"--{name.replace('no_', 'no-')}: is for -opt.")
    if args.scale is not None and args.scale < 1:
        raise ConfigError(f"--scale: must be at least 1, got {args.scale}.")
