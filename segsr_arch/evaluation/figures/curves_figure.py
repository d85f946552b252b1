"""Validation figures over iterations, several runs or groups of runs with their spread."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.figures.plots import Entry, add_below, fit_plots, new_plots
from segsr_arch.evaluation.figures.style import (
    Look,
    figure_style,
    looks,
    names_of_random,
)
from segsr_arch.evaluation.figures.validation_curves import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PLOT_HEIGHT = 2.5  # inches


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
        if not other.column.is_same_figure(first.column):
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


def draw_lines(axes: "Axes", series: Sequence[Series], *, markers: int | None = 12) -> list[Entry]:
    """Draw curves into a plot, and name its horizontal axis.

    Args:
        axes: The plot.
        series: What is drawn; several runs of one series are drawn as their mean and a band.
        markers: About how many markers a line has; ``None`` for one at each iteration.

    Returns:
        What the legend says.

    Raises:
        ConfigError: If runs of a group have no iteration in common.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    look = looks(len(series))
    for each, of_series in zip(series, look, strict=True):
        iterations = each.iterations()
        values = [[curve.points[i] for curve in each.curves] for i in iterations]
        means = [statistics.fmean(of_runs) for of_runs in values]
        every = 1 if markers is None else max(1, len(iterations) // markers)
        axes.plot(iterations, means, markevery=every, **_line(of_series))
        if len(each.curves) > 1:
            reach = [min(of_runs) for of_runs in values], [max(of_runs) for of_runs in values]
            axes.fill_between(iterations, *reach, color=of_series.colour, alpha=0.2, linewidth=0)
            for edge in reach:  # so that bands that overlap can be told apart in grey
                axes.plot(iterations, edge, color=of_series.colour, linewidth=0.4, linestyle=of_series.line)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("iteration")
    return [(each.label, _line(of_series)) for each, of_series in zip(series, look, strict=True)]


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
        figure, (axes,) = new_plots()
        entries = draw_lines(axes, series)
        axes.set_ylabel(first.column.title)
        caption = " ".join([*sentences, *([random] if random else [])])
        fit_plots(figure, axes, height=_PLOT_HEIGHT, below=add_below(figure, entries=entries, caption=caption))
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
