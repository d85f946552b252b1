"""All pictures of evaluations at once: the report, and the figures of a paper."""

from collections.abc import Sequence
from pathlib import Path

from segsr_arch.errors import SegsrError
from segsr_arch.evaluation.figures.choosing import is_bicubic
from segsr_arch.evaluation.figures.comparison_figure import compare_methods
from segsr_arch.evaluation.figures.maps_figure import show_maps
from segsr_arch.evaluation.figures.style import save_figure
from segsr_arch.evaluation.figures.tradeoff_figure import compare_costs
from segsr_arch.evaluation.report import write_report
from segsr_arch.files.locking import locked
from segsr_arch.files.names import folder_of
from segsr_arch.results.comparison import by_dataset
from segsr_arch.results.record import EvaluationRecord


def write_pictures(records: Sequence[EvaluationRecord], folders: Sequence[Path], *, out: Path) -> int:
    """Write ``report.html`` and, for each data set, the figures that its records have images and costs for.

    Args:
        records: Evaluations of tests.
        folders: Where they are written.
        out: ``report.html`` and ``figures/`` are written here; each path is printed.

    Returns:
        Number of pictures that could not be drawn; each is printed with its reason.
    """
    failed = 0
    for dataset, methods in by_dataset(records).items():
        drawings = {}
        has_values = any(record.summary for record in methods)  # of images; the whole set's are no figure's
        # Bicubic stands beside a single method that is another.
        pairs = len(methods) > 1 or (_has(methods[0], "lq") and not is_bicubic(methods[0]))
        if has_values and pairs and all(_has(record, "sr") and _has(record, "gt") for record in methods):
            drawings[f"compare_{dataset}"] = lambda methods=methods: compare_methods(methods)
        for record in methods:
            with_lr = any(row.lq is not None for row in record.images)  # not where LR images are made on the fly
            if with_lr and _has(record, "maps") and _has(record, "sr"):
                drawings[f"maps_{record.method}_{dataset}"] = lambda record=record: show_maps(record)
        if has_values and any(record.cost is not None for record in methods):
            costly = [record for record in methods if record.cost is not None]
            drawings[f"tradeoff_{dataset}"] = lambda costly=costly: compare_costs(costly)
        for name, draw in drawings.items():
            try:
                stem = out / "figures" / folder_of(name)
                with locked(stem):
                    paths = save_figure(draw(), stem)
                for path in paths:
                    print(path)
            except SegsrError as error:
                failed += 1
                print(f"not drawn: {name}: {error}")
    with locked(out / "report.html"):
        report = write_report(folders, out / "report.html", title="Super-resolution report", images=12)
    for note in report.notes:
        print(f"note: {note}")
    print(f"{report.path} ({report.shown} of {report.total} images embedded)")
    return failed


def _has(record: EvaluationRecord, place: str) -> bool:
    return bool(record.images) and all(getattr(row, place) is not None for row in record.images)
