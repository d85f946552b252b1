"""``segsr figure``: comparisons, guidance maps, validation curves, quality against cost, as PNG and PDF."""

import argparse
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from segsr_arch.cli.arguments.figure import FOLDER
from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures.comparison_figure import compare_methods
from segsr_arch.evaluation.figures.cost_points import read_points
from segsr_arch.evaluation.figures.curves_figure import draw_curves, series_of
from segsr_arch.evaluation.figures.maps_comparison import compare_maps
from segsr_arch.evaluation.figures.maps_figure import show_maps
from segsr_arch.evaluation.figures.regions import Region
from segsr_arch.evaluation.figures.style import save_figure
from segsr_arch.evaluation.figures.tradeoff_figure import compare_costs, compare_figures
from segsr_arch.evaluation.figures.validation_curves import read_curve
from segsr_arch.evaluation.saved_evaluations import find_methods
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_of
from segsr_arch.results.record import EvaluationRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ENDINGS = (".png", ".pdf")
_NO_LETTERS = re.compile(r"[^\w.-]+")


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
        return FOLDER / folder_of(f"{kind}_{_NO_LETTERS.sub('_', dataset)}")
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


def _renamed(records: list[EvaluationRecord], names: Sequence[str] | None) -> list[EvaluationRecord]:
    if names is None:
        return records
    if len(names) != len(records):
        methods = ", ".join(record.method for record in records)
        raise ConfigError(f"--names: give as many names as there are evaluations ({methods}), got {len(names)}.")
    return [replace(record, method=name) for record, name in zip(records, names, strict=True)]


def _run_maps(args: argparse.Namespace) -> int:
    records = _renamed(find_methods(args.runs, dataset=args.dataset), args.names)
    first = records[0]
    several = len(records) > 1
    stem = _stem(args.out, args.kind, first.dataset if several else f"{first.method}_{first.dataset}")
    has_images = any(row.sr is not None for row in first.images)  # segsr reproduce keeps none
    if not several and has_images:
        return _write(show_maps(first, images=args.image, overlay=args.overlay is not False), stem)
    if args.overlay is not None:
        alone = "of one network" if has_images else "of one network whose SR images were kept"
        raise ConfigError(f"--overlay, --no-overlay: are for the maps {alone}; leave it out.")
    return _write(compare_maps(records, images=args.image), stem)


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
    if args.against is not None and args.points is not None:
        raise ConfigError("--points holds PSNR and costs, and cannot be drawn with --against; leave one of them out.")
    records = find_methods(args.runs, dataset=args.dataset)
    if args.against is not None:
        figure = compare_figures(records, column=args.column, against=args.against)
    else:
        published = [] if args.points is None else read_points(args.points)
        figure = compare_costs(records, column=args.column, published=published)
    return _write(figure, _stem(args.out, args.kind, records[0].dataset))


_KINDS = {"compare": _run_compare, "maps": _run_maps, "curves": _run_curves, "tradeoff": _run_tradeoff}


def run(args: argparse.Namespace) -> int:
    """Draw a figure of the kind that was asked for; returns 0."""
    return _KINDS[args.kind](args)
