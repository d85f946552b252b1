"""``segsr evaluate``: figures that carry their protocol, of trained networks or of anybody's images."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from segsr_arch.cli.arguments import add_conversion, conversion_of, whole_number
from segsr_arch.cli.evaluating import evaluate_folders, evaluate_options, evaluation_folder
from segsr_arch.config.imports import find_modules, import_modules
from segsr_arch.config.problems import Problems
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures_and_report import write_pictures
from segsr_arch.evaluation.printed_comparisons import print_comparisons
from segsr_arch.metrics import listing
from segsr_arch.metrics.protocols import PROTOCOLS

MISSING = 1

_EPILOG = """examples:
  segsr evaluate -opt options/test_SeGSR_UCM_x4.yml --protocol y-crop rgb-crop
  segsr evaluate --sr HAT=theirs/HAT --sr ours=results/ours --gt datasets/UCMerced/test/HR_x4 --scale 4
  segsr evaluate --list
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "evaluate",
        help="PSNR, SSIM and more, by named protocols, per image and class, with intervals",
        description="Measure trained networks (-opt) or the images of any method (--sr against --gt). Writes "
        "figures per image and class and means with 95 % intervals to results/METHOD/evaluation/DATASET, and compares "
        "methods if there are several.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_argument_group("what is measured")
    what.add_argument("-opt", nargs="+", default=[], metavar="FILE", help="option files of tests")
    what.add_argument(
        "--sr",
        action="append",
        default=[],
        metavar="[NAME=]DIR",
        help="images of a method (folder or LMDB); repeatable",
    )
    what.add_argument("--gt", metavar="DIR", help="ground truth (folder or LMDB), with --sr")
    what.add_argument("--lq", metavar="DIR", help="LR images (folder or LMDB), with --sr")
    what.add_argument(
        "--scale", type=whole_number(), metavar="N", help="upscaling factor, with --sr; taken from --lq if given"
    )
    what.add_argument("--dataset", metavar="NAME", help="name of the data set, with --sr (default: folder of --gt)")
    add_conversion(
        what,
        deep="16 bits are measured as they are (their range is 0 to 65535), more are left out",
        banded="are left out",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--protocol", nargs="+", metavar="NAME", help=f"{', '.join(PROTOCOLS)} (default: y-crop), for PSNR and SSIM"
    )
    how.add_argument(
        "--metric", nargs="+", default=["psnr", "ssim"], metavar="NAME", help="default: psnr ssim; see --list"
    )
    how.add_argument(
        "--imports",
        nargs="+",
        default=[],
        metavar="FILE.py",
        help="Python files or modules with metrics of your own, with --sr; this runs them (-opt: imports: of the file)",
    )
    how.add_argument("--vlm", metavar="NAME", help="open_clip model of clip_cosine (default: the option file's)")
    how.add_argument(
        "--vlm-pretrained", metavar="TAG", help="its weights: a tag or a file (default: the option file's)"
    )
    how.add_argument("--clip-iqa-model", metavar="NAME", help="model of clip_iqa: a name or a local folder")
    how.add_argument("--device", choices=("cpu", "cuda"), help="default: num_gpu of the option file, else cuda if any")
    how.add_argument("--force_yml", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the option files")
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, default=Path("results"), metavar="DIR", help="default: %(default)s")
    output.add_argument(
        "--report", action="store_true", help="also write report.html, and figures as PNG and PDF, to the same folder"
    )
    output.add_argument("--no-images", action="store_true", help="do not keep the SR images of -opt")
    output.add_argument("--no-cost", action="store_true", help="do not measure MACs and time of -opt")
    output.add_argument(
        "--allow-missing", action="store_true", help="exit code 0 even if something could not be measured"
    )
    output.add_argument("--list", action="store_true", help="list protocols and metrics, and end")
    parser.set_defaults(
        run=run, after_interruption="Evaluations that were finished are kept; the same command starts all of them anew."
    )


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; returns 0, or 1 if something could not be measured and ``--allow-missing`` is not given."""
    if not args.list:
        _check_arguments(args)
    _import(args.imports)
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


def _import(entries: Sequence[str]) -> None:
    problems = Problems()
    import_modules(problems, find_modules(problems, {"imports": list(entries)}))
    problems.raise_if_any("--imports")
