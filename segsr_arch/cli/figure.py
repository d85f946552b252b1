"""``segsr figure``: comparisons, guidance maps, validation curves, quality against cost, as PNG and PDF."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures.comparison_figure import compare_methods
from segsr_arch.evaluation.figures.cost_points import read_points
from segsr_arch.evaluation.figures.curves_figure import draw_curves, series_of
from segsr_arch.evaluation.figures.maps_figure import show_maps
from segsr_arch.evaluation.figures.regions import Region
from segsr_arch.evaluation.figures.style import save_figure
from segsr_arch.evaluation.figures.tradeoff_figure import compare_costs
from segsr_arch.evaluation.figures.validation_curves import read_curve
from segsr_arch.evaluation.saved_evaluations import find_methods
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FOLDER = Path("figures")
_ENDINGS = (".png", ".pdf")
_NO_LETTERS = re.compile(r"[^\w.-]+")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Add ``figure`` and its four kinds to the command line."""
    parser = subparsers.add_parser(
        "figure",
        help="draw figures for a paper: compare, maps, curves, tradeoff",
        description="Draw what segsr evaluate and trainings have measured, as PNG (300 dpi) and PDF.",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    _add_compare(kinds)
    _add_maps(kinds)
    _add_curves(kinds)
    _add_tradeoff(kinds)


def _add_kind(kinds: argparse._SubParsersAction, name: str, title: str, description: str) -> argparse.ArgumentParser:
    kind = kinds.add_parser(name, help=title, description=f"{title[0].upper()}{title[1:]}. {description}")
    kind.add_argument("--dataset", metavar="NAME", help="which data set, if there are several")
    kind.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"path of the figure; .png and .pdf are written (default: {_FOLDER}/{name}_DATASET)",
    )
    return kind


def _add_compare(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "compare",
        "methods side by side, a region enlarged",
        "HR with the region framed, then the region in LR, bicubic, each method and HR, with PSNR (and SSIM) of the "
        "whole image. RUN is a folder of an evaluation (results/METHOD) or one above several, in the order of the "
        "pictures. Bicubic is computed from the LR image as MATLAB does, unless it is one of the methods.",
    )
    kind.add_argument("runs", nargs="+", metavar="RUN")
    kind.add_argument(
        "--image",
        nargs="+",
        metavar="NAME",
        help="images (default: the two on which the methods differ most)",
    )
    kind.add_argument(
        "--region",
        action="append",
        nargs="+",
        metavar="X",
        help="X Y WIDTH HEIGHT in HR pixels, or auto (the default): where the methods' errors differ most; repeated, "
        "one for each image",
    )
    kind.add_argument("--column", metavar="NAME", help="which figure, psnr_rgb-crop for instance (default: first PSNR)")
    kind.set_defaults(run=_run_compare)


def _add_maps(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "maps",
        "guidance maps of every unit on one colour scale, alone and over the image",
        "RUN is a folder of the evaluation of a guided network (results/METHOD).",
    )
    kind.add_argument("evaluation", metavar="RUN")
    kind.add_argument("--image", nargs="+", metavar="NAME", help="images (default: the two whose maps vary most)")
    kind.add_argument(
        "--overlay",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also draw the maps over the SR image",
    )
    kind.set_defaults(run=_run_maps)


def _add_curves(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "curves",
        "validation figures over iterations, of runs and groups of runs",
        "RUN is experiments/NAME. Without evaluations in it, TensorBoard's event files in tb_logger/NAME are read.",
    )
    kind.add_argument("runs", nargs="*", metavar="RUN")
    kind.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="NAME=RUN,RUN",
        help="runs that differ in the seed only: their mean, and a band from the least to the greatest; repeatable",
    )
    kind.add_argument("--column", metavar="NAME", help="which figure (default: the first PSNR)")
    kind.add_argument("--tensorboard", action="store_true", help="read event files even where there are evaluations")
    kind.set_defaults(run=_run_curves)


def _add_tradeoff(kinds: argparse._SubParsersAction) -> None:
    kind = _add_kind(
        kinds,
        "tradeoff",
        "PSNR against parameters, multiply-accumulates and time",
        "RUN is a folder of an evaluation with -opt, which measures the cost, or one above several.",
    )
    kind.add_argument("runs", nargs="+", metavar="RUN")
    kind.add_argument(
        "--points",
        type=Path,
        metavar="FILE.csv",
        help="published figures, drawn hollow: method,psnr,parameters,macs,seconds (the last three may be empty)",
    )
    kind.add_argument("--column", metavar="NAME", help="which figure (default: the first PSNR)")
    kind.set_defaults(run=_run_tradeoff)


def _regions(given: Sequence[Sequence[str]] | None) -> list[Region | None] | None:
    if given is None:
        return None
    regions: list[Region | None] = []
    for words in given:
        if list(words) == ["auto"]:
            regions.append(None)
            continue
        try:
            x, y, width, height = map(int, words)
        except ValueError as error:
            raise ConfigError(
                f"--region {' '.join(words)}: expected X Y WIDTH HEIGHT, four whole numbers of HR pixels, or auto."
            ) from error
        regions.append(Region(x=x, y=y, width=width, height=height))
    return regions


def _group(text: str) -> tuple[str, list[str]]:
    name, equals, runs = text.partition("=")
    paths = [path for path in runs.split(",") if path]
    if not name or not equals or not paths:
        raise ConfigError(f"--group {text}: expected NAME=RUN,RUN, for instance SeG-SR=experiments/s0,experiments/s1.")
    return name, paths


def _stem(out: Path | None, kind: str, dataset: str) -> Path:
    """Path without ending. Only the endings that are written are taken off: a name may hold other points."""
    if out is None:
        return _FOLDER / folder_of(f"{kind}_{_NO_LETTERS.sub('_', dataset)}")
    if not out.name:
        raise ConfigError(f"--out {out}: expected the path of a file.")
    return out.with_name(out.stem) if out.suffix.lower() in _ENDINGS else out


def _write(figure: "Figure", stem: Path) -> int:
    with locked(stem):
        paths = save_figure(figure, stem)
    for path in paths:
        print(path)
    return 0


def _run_compare(args: argparse.Namespace) -> int:
    records = find_methods(args.runs, dataset=args.dataset)
    regions = _regions(args.region)
    figure = compare_methods(records, images=args.image, regions=regions, column=args.column)
    return _write(figure, _stem(args.out, args.kind, records[0].dataset))


def _run_maps(args: argparse.Namespace) -> int:
    records = find_methods([args.evaluation], dataset=args.dataset)
    if len(records) > 1:
        raise ConfigError(
            f"{args.evaluation}: holds several methods, give one: {', '.join(record.method for record in records)}."
        )
    (record,) = records
    figure = show_maps(record, images=args.image, overlay=args.overlay)
    return _write(figure, _stem(args.out, args.kind, f"{record.method}_{record.dataset}"))


def _run_curves(args: argparse.Namespace) -> int:
    groups = dict(map(_group, args.group))
    if len(groups) < len(args.group):
        raise ConfigError("--group: the same name is given twice.")
    if not args.runs and not groups:
        raise ConfigError("Give at least one RUN or --group NAME=RUN,RUN.")
    options = {"dataset": args.dataset, "column": args.column, "tensorboard": args.tensorboard}
    series = series_of(
        [read_curve(path, **options) for path in args.runs],
        {name: [read_curve(path, **options) for path in paths] for name, paths in groups.items()},
    )
    return _write(draw_curves(series), _stem(args.out, args.kind, series[0].curves[0].dataset))


def _run_tradeoff(args: argparse.Namespace) -> int:
    records = find_methods(args.runs, dataset=args.dataset)
    published = [] if args.points is None else read_points(args.points)
    figure = compare_costs(records, column=args.column, published=published)
    return _write(figure, _stem(args.out, args.kind, records[0].dataset))
