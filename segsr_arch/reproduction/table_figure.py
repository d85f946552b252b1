"""A table as a picture: each row's difference from the plain base, seed by seed, beside the paper's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from segsr_arch.errors import DataError
from segsr_arch.evaluation.figures.plots import MARGIN, Entry, add_below
from segsr_arch.evaluation.figures.style import (
    COLOURS,
    LINE,
    WIDTH,
    add_box,
    add_lines,
    figure_style,
    new_figure,
    text_width,
    wrap,
)
from segsr_arch.reproduction.outcome import PSNR, Outcome, RowOutcome, Spread
from segsr_arch.reproduction.table_caption import figure_caption, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAD, _PITCH, _BELOW = 0.12, 0.21, 0.42  # inches
_MOST_LABEL = 2.4
_MEAN_AT, _SEEDS_AT = -0.1, 0.27  # heights within a row, so that the mean covers no seed
_SEED = {"marker": "o", "markersize": 2.4, "color": COLOURS[0], "linestyle": "none"}
_MEAN = {"marker": "o", "markersize": 5.5, "color": COLOURS[0], "linestyle": "none"}
_PAPER = {
    "marker": "D",
    "markersize": 4.5,
    "color": COLOURS[1],
    "markerfacecolor": "none",
    "markeredgewidth": 1.0,
    "linestyle": "none",
}
_AXIS = "difference in PSNR from the plain base, dB"
_BASE = {"marker": "|", "markersize": 6, "color": "0.45", "linestyle": "none"}


@dataclass(frozen=True, kw_only=True)
class _Dots:
    """What one row shows.

    Attributes:
        number: Its number in the table; empty for what has no row.
        label: Its name.
        ours: Over seeds; ``None`` if there is nothing.
        paper: The paper's value.
        noise: Seeds of a plain base about their mean.
        cells: Texts at the right.
    """

    number: str = ""
    label: str = ""
    ours: Spread | None = None
    paper: float | None = None
    noise: tuple[float, ...] = ()
    cells: tuple[str, ...] = ()

    @property
    def values(self) -> list[float]:
        """All that is drawn; of what is not finite, nothing can be."""
        own = () if self.ours is None else (*self.ours.values, self.ours.mean)
        return [value for value in (*own, *self.noise, self.paper) if value is not None and math.isfinite(value)]


def draw_outcome(outcome: Outcome) -> "Figure":
    """Draw a table.

    A row is a small dot for each seed, a large one for their mean, and a hollow diamond for the paper. The axis is the
    difference in PSNR from the plain base with the same seed; plain bases then show how far their own seeds lie apart.
    Where the table is about other things, or no plain base is measured, it is PSNR itself, and the paper's figures, of
    other images, have a plot of their own with the same dB an inch.

    Args:
        outcome: With at least one finished run.

    Returns:
        A figure 7.16 inches wide.

    Raises:
        DataError: If there is nothing to draw.
        DependencyError: If matplotlib is missing.
    """
    differences = outcome.is_about_differences and any(row.difference for row in outcome.rows)
    dots = [(_as_difference if differences else _as_psnr)(row) for row in outcome.rows]
    if not any(replace(each, paper=None).values for each in dots):
        raise DataError(f"{title(outcome)}: no run is finished, so there is nothing to draw.")
    with figure_style():
        return _draw(outcome, dots, differences)


def _as_psnr(row: RowOutcome) -> _Dots:
    ours = row.values.get(PSNR)
    return _Dots(
        number=str(row.planned.number),
        label=row.planned.row.label,
        ours=ours,
        paper=row.paper and row.paper.psnr,
        cells=(_text(ours), "-" if row.paper is None else f"{row.paper.psnr:.3f}"),
    )


def _as_difference(row: RowOutcome) -> _Dots:
    ours, psnr = row.difference and row.difference.over_seeds, row.values.get(PSNR)
    noise = tuple(value - psnr.mean for value in psnr.values) if psnr is not None and row.is_plain else ()
    return _Dots(
        number=str(row.planned.number),
        label=row.planned.row.label,
        ours=ours,
        paper=row.paper_difference,
        noise=noise if len(noise) > 1 else (),
        cells=(_text(psnr), "" if row.is_plain else _text(ours, sign=True)),
    )


def _text(spread: Spread | None, *, sign: bool = False) -> str:
    if spread is None:
        return "-"
    return f"{spread.mean:{'+' if sign else ''}.3f}" + ("" if spread.std is None else f" ± {spread.std:.3f}")


def _draw(outcome: Outcome, dots: Sequence[_Dots], differences: bool) -> "Figure":
    labels = [wrap(each.label, _MOST_LABEL) for each in dots]
    titles = (["PSNR", "dB"], ["difference", "dB"]) if differences else (["PSNR", "dB"], ["paper", "dB"])
    columns = [[*titles[i], *(each.cells[i] for each in dots)] for i in range(2)]
    widths = [max(map(text_width, column)) for column in columns]
    pitch = max(_PITCH, max(map(len, labels)) * LINE + 0.02)
    start = MARGIN + max(text_width(each.number) for each in dots) + _PAD / 2
    left = start + max(text_width(line) for lines in labels for line in lines) + _PAD
    width = WIDTH - left - sum(widths) - 2 * _PAD - MARGIN
    top, height = MARGIN + 2 * LINE, pitch * len(dots)
    figure = new_figure(top + height)
    below = add_below(figure, entries=_legend(outcome, dots), caption=figure_caption(outcome))
    figure.set_figheight(top + height + _BELOW + below)
    plots = _plots(dots, differences)
    span = max(_room(plot)[1] for plot in plots)
    each_width = (width - _PAD * (len(plots) - 1)) / len(plots)
    for i, plot in enumerate(plots):
        axes = add_box(figure, left + i * (each_width + _PAD), top, each_width, height)
        middle = _room(plot)[0]
        _draw_dots(axes, plot, (middle - span / 2, middle + span / 2))
        axes.set_xlabel(_AXIS if differences else f"PSNR{' in the paper' if i else ''}, dB")
        if differences:
            axes.axvline(0.0, color="0.2", linewidth=0.8, zorder=2)
    for i, (each, lines) in enumerate(zip(dots, labels, strict=True)):
        place = top + (i + 0.5) * pitch - len(lines) * LINE / 2
        add_lines(figure, start - _PAD / 2, place, [each.number], ha="right")
        add_lines(figure, start, place, lines)
    edge = WIDTH - MARGIN
    for column, column_width in zip(reversed(columns), reversed(widths), strict=True):
        add_lines(figure, edge, top - 2 * LINE - 0.02, column[:2], ha="right")
        for number, cell in enumerate(column[2:]):
            add_lines(figure, edge, top + (number + 0.5) * pitch - LINE / 2, [cell], ha="right")
        edge -= column_width + _PAD
    return figure


def _plots(dots: Sequence[_Dots], differences: bool) -> list[list[_Dots]]:
    """What stands in one plot: everything, or ours and the paper's apart."""
    if differences:
        return [[*dots, _Dots(paper=0.0)]]  # the line at 0 is in the plot
    ours, paper = [replace(each, paper=None) for each in dots], [replace(each, ours=None) for each in dots]
    return [ours, paper] if any(each.paper is not None for each in dots) else [ours]


def _room(dots: Sequence[_Dots]) -> tuple[float, float]:
    """Middle and width of an axis that holds all values."""
    values = [value for each in dots for value in each.values]
    low, high = min(values), max(values)
    return (low + high) / 2, 1.12 * (high - low) or 0.1


def _draw_dots(axes: "Axes", dots: Sequence[_Dots], ends: tuple[float, float]) -> None:
    from matplotlib.ticker import MaxNLocator

    rows = [each for each in dots if each.number]
    axes.set(xlim=ends, ylim=(len(rows) - 0.5, -0.5))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(visible=True, axis="x")
    axes.set_yticks([])
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    for number, each in enumerate(rows):
        if number % 2:
            axes.axhspan(number - 0.5, number + 0.5, color="0.965", zorder=0, linewidth=0)
        if each.paper is not None:
            axes.plot([each.paper], [number + _MEAN_AT], zorder=4, **_PAPER)
        if each.noise:
            axes.plot(each.noise, [number + _MEAN_AT] * len(each.noise), zorder=3, **_BASE)
        if each.ours is not None:
            axes.plot([each.ours.mean], [number + _MEAN_AT], zorder=3, **_MEAN)
            if len(each.ours.values) > 1:
                axes.plot(each.ours.values, [number + _SEEDS_AT] * len(each.ours.values), zorder=3, **_SEED)


def _legend(outcome: Outcome, dots: Sequence[_Dots]) -> list[Entry]:
    table = outcome.plan.table
    counts = {len(each.ours.values) for each in dots if each.ours is not None}
    entries: list[Entry] = []
    if counts:
        entries += [("mean over seeds", _MEAN), ("one seed", _SEED)] if max(counts) > 1 else [("one seed", _MEAN)]
    if any(each.paper is not None for each in dots):
        entries.append(("the paper" + (f" (base {table.paper_base})" if table.paper_base else ""), _PAPER))
    if any(each.noise for each in dots):
        entries.append(("plain base: its seeds about their mean", _BASE))
    return entries
