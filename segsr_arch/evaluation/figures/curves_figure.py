"""Validation figures over iterations, several runs or groups of runs with their spread."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures.legends import Legend
from segsr_arch.evaluation.figures.style import (
    LINE,
    WIDTH,
    Look,
    add_box,
    add_lines,
    add_value_title,
    figure_style,
    looks,
    names_of_random,
    new_figure,
    wrap,
)
from segsr_arch.evaluation.figures.validation_curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARGIN = 0.05
_PLOT_HEIGHT = 2.5
_LEFT, _BELOW = 0.6, 0.42  # for tick labels and names of the axes


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line of a plot.

    Attributes:
        name: What the legend says.
        curves: One run, or several of a group (for instance with other seeds).
    """

    name: str
    curves: tuple[Curve, ...]

    @property
    def label(self) -> str:
        """The name, and what is drawn of a group."""
        count = len(self.curves)
        return self.name if count == 1 else f"{self.name} (mean of {count} runs, band: least to greatest)"

    def iterations(self) -> list[int]:
        """Iterations that all runs have.

        Raises:
            ConfigError: If there is none.
        """
        common = sorted(set.intersection(*(set(curve.points) for curve in self.curves)))
        if not common:
            names = ", ".join(curve.name for curve in self.curves)
            raise ConfigError(f"--group {self.name}: its runs ({names}) were validated at no iteration in common.")
        return common


def check_curves(series: Sequence[Series]) -> Curve:
    """Make sure that all curves show the same figure of the same data.

    Returns:
        The first curve.

    Raises:
        ConfigError: If not; the runs that differ are named.
    """
    curves = [curve for each in series for curve in each.curves]
    first = curves[0]
    for other in curves[1:]:
        both = f"{first.name} and {other.name}"
        if other.dataset != first.dataset:
            raise ConfigError(f"{both} were validated on {first.dataset} and {other.dataset}; choose by --dataset.")
        if None not in (first.scale, other.scale) and other.scale != first.scale:
            raise ConfigError(f"{both} are of different scales: x{first.scale} and x{other.scale}.")
        if None not in (first.n, other.n) and other.n != first.n:
            raise ConfigError(f"{both} were validated on different numbers of images: {first.n} and {other.n}.")
        if other.column != first.column:
            backends = {curve.column.backend for curve in (first, other)}
            hint = " Read the event files of both by --tensorboard." if "TensorBoard" in backends else ""
            raise ConfigError(
                f"{both} were not measured in the same way: {first.column.title} and {other.column.title}.{hint}"
            )
    return first


def _line(look: Look) -> dict[str, object]:
    return {
        "color": look.colour,
        "marker": look.marker,
        "linestyle": look.line,
        "markeredgecolor": "white",
        "markeredgewidth": 0.4,
    }


def _draw_series(axes: "Axes", series: Series, look: Look) -> None:
    iterations = series.iterations()
    values = [[curve.points[i] for curve in series.curves] for i in iterations]
    means = [statistics.fmean(of_runs) for of_runs in values]
    axes.plot(iterations, means, markevery=max(1, len(iterations) // 12), **_line(look))
    if len(series.curves) > 1:
        reach = [min(of_runs) for of_runs in values], [max(of_runs) for of_runs in values]
        axes.fill_between(iterations, *reach, color=look.colour, alpha=0.2, linewidth=0)
        for edge in reach:  # so that bands that overlap can be told apart in grey
            axes.plot(iterations, edge, color=look.colour, linewidth=0.4, linestyle=look.line)


def draw_curves(series: Sequence[Series]) -> "Figure":
    """Draw the curves, the legend below them.

    Args:
        series: At least one; several runs of one series are drawn as their mean and a band from the least to the
            greatest, at the iterations that all of them have.

    Returns:
        A figure 7.16 inches wide.

    Raises:
        ConfigError: If the curves do not show the same, or runs of a group have no iteration in common.
        DependencyError: If matplotlib is missing.
    """
    first = check_curves(series)
    random = names_of_random([(curve.name, curve.vlm) for each in series for curve in each.curves])
    n = f" (n = {first.n} images)" if first.n is not None else ""
    scale = f", ×{first.scale}" if first.scale is not None else ""
    sentences = [f"{first.dataset}{n}{scale}: {first.column.title} over iterations, mean over the images."]
    if first.column.backend == "TensorBoard":
        sentences.append("As logged by the training; protocol, and whether weights were random: see its option file.")
    with figure_style():
        from matplotlib.ticker import FuncFormatter

        look = looks(len(series))
        entries = [(each.label, _line(of_series)) for each, of_series in zip(series, look, strict=True)]
        legend = Legend(entries, width=WIDTH - 2 * _MARGIN - _LEFT)
        below = wrap(" ".join([*sentences, *([random] if random else [])]), WIDTH - 2 * _MARGIN)
        figure = new_figure(_MARGIN + _PLOT_HEIGHT + _BELOW + legend.height + len(below) * LINE + _MARGIN)
        axes = add_box(figure, _MARGIN + _LEFT, _MARGIN, WIDTH - 3 * _MARGIN - _LEFT, _PLOT_HEIGHT)
        for each, of_series in zip(series, look, strict=True):
            _draw_series(axes, each, of_series)
        axes.grid(visible=True)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlabel("iteration")
        add_value_title(figure, first.column.title, top=_MARGIN, height=_PLOT_HEIGHT)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        top = _MARGIN + _PLOT_HEIGHT + _BELOW
        legend.draw(figure, left=_MARGIN + _LEFT, top=top)
        add_lines(figure, _MARGIN, top + legend.height, below)
    return figure


def series_of(runs: Sequence[Curve], groups: Mapping[str, Sequence[Curve]]) -> list[Series]:
    """Runs as series of their own, then groups.

    Raises:
        ConfigError: If two series have the same name.
    """
    series = [Series(name=curve.name, curves=(curve,)) for curve in runs]
    series += [Series(name=name, curves=tuple(curves)) for name, curves in groups.items()]
    names = [each.name for each in series]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"Two curves have the same name: {', '.join(twice)}; name one by --group NAME=RUN.")
    return series
