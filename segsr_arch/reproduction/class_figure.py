"""A table by class as a picture: each method's PSNR in each class against that of the first method."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from segsr_arch.errors import DataError
from segsr_arch.evaluation.figures.plots import MARGIN, add_below
from segsr_arch.evaluation.figures.style import (
    LINE,
    WIDTH,
    Look,
    add_box,
    add_lines,
    figure_style,
    looks,
    new_figure,
    text_width,
)
from segsr_arch.reproduction.class_values import image_counts, of_class, of_paper
from segsr_arch.reproduction.outcome import PSNR, Outcome, RowOutcome
from segsr_arch.reproduction.table_caption import figure_caption, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAD, _PITCH, _BELOW = 0.12, 0.17, 0.42  # inches

_Values = Mapping[str, Mapping[str, float]]
"""PSNR by method and class."""


def draw_classes(outcome: Outcome) -> "Figure":
    """Draw a table by class: ours at the left, the paper's at the right, a line for each class.

    The axis is the PSNR of a method, the mean over seeds, minus that of the first one that has a value, since classes
    differ by far more than methods. Where there is one method alone, it is PSNR itself.

    Args:
        outcome: With at least one finished run.

    Returns:
        A figure 7.16 inches wide.

    Raises:
        DataError: If there is nothing to draw.
        DependencyError: If matplotlib is missing.
    """
    ours = _without_empty({row.planned.row.label: _own_values(row) for row in outcome.rows})
    if not ours:
        raise DataError(f"{title(outcome)}: no class has a value, so there is nothing to draw.")
    paper = _without_empty({row.planned.row.label: _paper_values(row) for row in outcome.rows})
    with figure_style():
        return _draw(outcome, [ours, paper] if paper else [ours])


def _own_values(row: RowOutcome) -> dict[str, float]:
    return {name: each.mean for name, each in of_class(row, PSNR).items() if math.isfinite(each.mean)}


def _paper_values(row: RowOutcome) -> dict[str, float]:
    found = {name: of_paper(values, PSNR) for name, values in row.planned.row.paper_classes.items()}
    return {name: value for name, value in found.items() if value is not None}


def _without_empty(values: _Values) -> _Values:
    return {method: each for method, each in values.items() if each}


def _draw(outcome: Outcome, plots: Sequence[_Values]) -> "Figure":
    names = list(image_counts(outcome))
    methods = [row.planned.row.label for row in outcome.rows]
    look = dict(zip(methods, looks(len(methods)), strict=True))
    left = MARGIN + max(map(text_width, names)) + _PAD
    width = (WIDTH - left - MARGIN - _PAD * (len(plots) - 1)) / len(plots)
    top, height = MARGIN + LINE, _PITCH * len(names)
    figure = new_figure(top + height)
    entries = [(name, _marker(each)) for name, each in look.items() if any(name in values for values in plots)]
    below = add_below(figure, entries=entries, caption=figure_caption(outcome))
    figure.set_figheight(top + height + _BELOW + below)
    for number, values in enumerate(plots):
        axes = add_box(figure, left + number * (width + _PAD), top, width, height)
        reference = next(iter(values)) if len(values) > 1 else None
        _draw_plot(axes, values, names, look, reference)
        whose = "in the paper" if number else "here"
        against = "" if reference is None else f" minus that of {reference}"
        axes.set_xlabel(f"PSNR{against} {whose}, dB")
    for number, name in enumerate(names):
        add_lines(figure, left - _PAD / 2, top + (number + 0.5) * _PITCH - LINE / 2, [name], ha="right")
    return figure


def _draw_plot(
    axes: "Axes", values: _Values, names: Sequence[str], look: Mapping[str, Look], reference: str | None
) -> None:
    from matplotlib.ticker import MaxNLocator

    for row in range(1, len(names), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.965", zorder=0, linewidth=0)
    for method, of_method in values.items():
        zero: Mapping[str, float] = {} if reference is None else values[reference]
        shown = [name for name in of_method if reference is None or name in zero]
        across = [of_method[name] - zero.get(name, 0.0) for name in shown]
        axes.plot(across, [names.index(name) for name in shown], zorder=3, **_marker(look[method]))
    if reference is not None:
        axes.axvline(0.0, color="0.2", linewidth=0.8, zorder=2)
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=[])
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(visible=True, axis="x")
    axes.spines[["top", "right", "left"]].set_visible(False)


def _marker(look: Look) -> dict[str, object]:
    return {"marker": look.marker, "color": look.colour, "markersize": 4, "linestyle": "none"}
