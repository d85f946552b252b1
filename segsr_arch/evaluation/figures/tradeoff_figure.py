"""Quality against what it costs (parameters, multiply-accumulates, time), or against another figure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.choosing import choose_column
from segsr_arch.evaluation.figures.cost_points import COSTS, Point, points_of, points_of_two
from segsr_arch.evaluation.figures.label_placement import place_labels
from segsr_arch.evaluation.figures.plots import Entry, add_below, fit_plots, new_plots
from segsr_arch.evaluation.figures.style import (
    FONT_SIZE,
    Look,
    figure_style,
    looks,
    names_of_random,
    text_width,
)
from segsr_arch.results.comparison import check_comparable
from segsr_arch.results.record import Column, EvaluationRecord, scale_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PLOT_HEIGHT = 2.2  # inches
_LOG_FROM = 10.0  # greatest by least value
_RADIUS = 0.045  # inches, of a marker with some air
_UNITS = {
    "parameters": ("parameters", ((1e6, "millions"), (1e3, "thousands"))),
    "macs": ("multiply-accumulates", ((1e12, "10¹²"), (1e9, "10⁹"), (1e6, "10⁶"))),
    "seconds": ("time", ((1.0, "s"), (1e-3, "ms"))),
}


@dataclass(frozen=True, kw_only=True)
class PointAxis:
    """The horizontal axis of one plot.

    Attributes:
        quantity: The attribute of points that lies on it.
        title: Its name, with the unit.
        unit: How much one of the unit is.
        low: Left end, in units.
        high: Right end, in units.
        log: Whether it is logarithmic.
    """

    quantity: str
    title: str
    unit: float
    low: float
    high: float
    log: bool

    @classmethod
    def of_cost(cls, cost: str, points: Sequence[Point]) -> "PointAxis":
        """Choose the largest unit in which the greatest cost is at least 1, and ends beyond the costs."""
        costs = [value for point in points if (value := getattr(point, cost)) is not None]
        title, units = _UNITS[cost]
        unit, name = next((each for each in units if max(costs) >= each[0]), units[-1])
        log = min(costs) > 0 and max(costs) / min(costs) > _LOG_FROM
        ends = _limits([math.log10(value / unit) if log else value / unit for value in costs])
        low, high = (10**end for end in ends) if log else ends
        return cls(quantity=cost, title=f"{title}, {name}", unit=unit, low=low, high=high, log=log)

    @classmethod
    def of_figure(cls, title: str, points: Sequence[Point]) -> "PointAxis":
        """Choose ends beyond the second figures of points, all of which have one."""
        low, high = _limits([point.second for point in points if point.second is not None])
        return cls(quantity="second", title=title, unit=1.0, low=low, high=high, log=False)

    def value(self, point: Point) -> float | None:
        """Where a method lies, in units; ``None`` if that is not known."""
        value = getattr(point, self.quantity)
        return None if value is None else value / self.unit

    def share(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1."""
        low, high, value = (math.log(each) if self.log else each for each in (self.low, self.high, value))
        return (value - low) / (high - low)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.12 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def _marker(point: Point, look: Look) -> dict[str, object]:
    return {
        "marker": look.marker,
        "color": look.colour,
        "markerfacecolor": look.colour if point.measured else "white",
        "linestyle": "none",
    }


def _draw_plot(
    axes: "Axes", axis: PointAxis, ends: tuple[float, float], points: Sequence[Point], look: Sequence[Look]
) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if axis.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if axis.high / axis.low < 300 else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set(xlim=(axis.low, axis.high), ylim=ends, xlabel=axis.title)
    for point, of_point in zip(points, look, strict=True):
        if axis.value(point) is not None:
            axes.plot([axis.value(point)], [point.value], zorder=3, **_marker(point, of_point))


@dataclass(frozen=True, kw_only=True)
class _Name:
    """Where a name and its point lie, in shares of the plot, and whether a line must join them."""

    text: str
    point: tuple[float, float]
    corner: tuple[float, float]
    is_far: bool


def _place_names(
    axis: PointAxis, ends: tuple[float, float], points: Sequence[Point], area: tuple[float, float]
) -> list[_Name] | None:
    """Find room for the names in a plot of so many inches; ``None`` if there is not enough."""
    shown = [(point, value) for point in points if (value := axis.value(point)) is not None]
    shares = [(axis.share(value), (point.value - ends[0]) / (ends[1] - ends[0])) for point, value in shown]
    places = [(x * area[0], y * area[1]) for x, y in shares]
    sizes = [(text_width(point.method), FONT_SIZE / 72) for point, _ in shown]
    corners = place_labels(places, sizes, area=area, radius=_RADIUS)
    if corners is None:
        return None
    names = []
    for (point, _), share, place, corner, size in zip(shown, shares, places, corners, sizes, strict=True):
        near = [min(max(p, low), low + length) for p, low, length in zip(place, corner, size, strict=True)]
        at = corner[0] / area[0], corner[1] / area[1]
        far = math.dist(near, place) > 2 * _RADIUS
        names.append(_Name(text=point.method, point=share, corner=at, is_far=far))
    return names


def _write_names(axes: "Axes", names: Sequence[_Name]) -> None:
    """Write names at their places, with a line to points that are not right beside them."""
    line = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 0}
    for name in names:
        axes.annotate(
            name.text,
            xy=name.point,
            xytext=name.corner,
            xycoords="axes fraction",
            va="bottom",
            arrowprops=line if name.is_far else None,
        ).set_in_layout(False)


def draw_tradeoff(
    points: Sequence[Point], *, value_title: str, caption: str, second_title: str | None = None
) -> "Figure":
    """Draw the figure against each cost that at least one method has, side by side, or against a second figure.

    Names stand beside the points where all of them find room in every plot, else in a legend. Hollow points are
    published figures. A cost that spans more than a factor of ten has a logarithmic axis.

    Args:
        points: At least one.
        value_title: Name of the figure, with its unit.
        caption: Text below.
        second_title: Name of the second figure, which all points have then; ``None`` for costs.

    Returns:
        A figure 7.16 inches wide.

    Raises:
        DataError: If no method has any cost.
        DependencyError: If matplotlib is missing.
    """
    if second_title is None:
        known = [cost for cost in COSTS if any(getattr(each, cost) is not None for each in points)]
        horizontal = [PointAxis.of_cost(cost, points) for cost in known]
    else:
        horizontal = [PointAxis.of_figure(second_title, points)]
    if not horizontal:
        raise DataError(
            "No method has parameters, multiply-accumulates or a time; evaluate networks with segsr evaluate -opt "
            "(without --no-cost), or give --points."
        )
    look = looks(len(points))
    ends = _limits([point.value for point in points])
    with figure_style():
        figure, plots = new_plots(len(horizontal))
        for axes, axis in zip(plots, horizontal, strict=True):
            _draw_plot(axes, axis, ends, points, look)
        plots[0].set_ylabel(value_title)
        area = fit_plots(figure, plots[0], height=_PLOT_HEIGHT)
        names = [_place_names(axis, ends, points, area) for axis in horizontal]
        entries: list[Entry] = []
        if None in names:
            entries = [(each.method, _marker(each, of_point)) for each, of_point in zip(points, look, strict=True)]
        else:
            for axes, of_plot in zip(plots, names, strict=True):
                _write_names(axes, of_plot)
        if not all(point.measured for point in points):
            circle = {"marker": "o", "color": "0.3", "linestyle": "none"}
            entries += [("filled: measured here", circle)] if any(point.measured for point in points) else []
            entries += [("hollow: published, not measured here", {**circle, "markerfacecolor": "white"})]
        below = add_below(figure, entries=entries, caption=caption)
        fit_plots(figure, plots[0], height=_PLOT_HEIGHT, below=below)
    return figure


def compare_costs(
    records: Sequence[EvaluationRecord], *, column: str | None = None, published: Sequence[Point] = ()
) -> "Figure":
    """Draw evaluated methods, and published ones, by quality and cost.

    Args:
        records: Methods on the same images.
        column: What is shown; ``None`` for the first PSNR.
        published: Methods of :func:`~segsr_arch.evaluation.figures.cost_points.read_points`.

    Returns:
        The figure.

    Raises:
        ConfigError: If the methods were not evaluated alike, or published PSNR stands against another figure.
        DataError: If there is no cost to draw, or a mean is not finite.
        DependencyError: If matplotlib is missing.
    """
    chosen = _checked(records, column)
    if published and chosen.metric != "psnr":
        raise ConfigError(f"--points holds PSNR, which cannot stand beside {chosen.name}; choose a PSNR by --column.")
    points, notes = points_of(records, column=chosen.name)
    points += published
    if not points:
        raise DataError(f"No method has a cost to draw. {' '.join(notes)} Evaluate networks with segsr evaluate -opt.")
    if published:
        notes.append("Published figures: data, protocol, LR size and device are those of their source.")
    caption = _caption(records, [chosen], notes)
    return draw_tradeoff(points, value_title=chosen.title, caption=caption)


def compare_figures(records: Sequence[EvaluationRecord], *, column: str | None = None, against: str) -> "Figure":
    """Draw evaluated methods by two figures, one of which may be had at the other's cost.

    Fidelity against how natural images look, for instance: Blau and Michaeli, The Perception-Distortion Tradeoff, 2018.

    Args:
        records: Methods on the same images.
        column: What is shown upwards; ``None`` for the first PSNR.
        against: What is shown to the right.

    Returns:
        The figure.

    Raises:
        ConfigError: If the methods were not evaluated alike, or both are one figure.
        DataError: If a mean is not finite.
        DependencyError: If matplotlib is missing.
    """
    chosen, second = _checked(records, column), choose_column(records, against, option="--against")
    if chosen.name == second.name:
        raise ConfigError(f"--against {against}: is what --column shows already; choose another figure.")
    upwards, rightwards = (f"{each.title} ({each.better} is better)" for each in (chosen, second))
    points = points_of_two(records, column=chosen.name, against=second.name)
    caption = _caption(records, [chosen, second], [])
    return draw_tradeoff(points, value_title=upwards, second_title=rightwards, caption=caption)


def _checked(records: Sequence[EvaluationRecord], column: str | None) -> Column:
    for record in records[1:]:
        check_comparable(records[0], record)
    return choose_column(records, column)


def _caption(records: Sequence[EvaluationRecord], shown: Sequence[Column], notes: Sequence[str]) -> str:
    """Say what was measured on how many images at what scale, and whose weights were random."""
    first = records[0]
    of_columns = [
        {record.method: record.summary[column.name].n for record in records if column.name in record.summary}
        for column in shown
    ]
    counts = {method: min(found.get(method, 0) for found in of_columns) for method in of_columns[0]}
    n = ", ".join(map(str, sorted(set(counts.values()))))
    if len(set(counts.values())) > 1:
        notes = [f"Images: {', '.join(f'{name} {count}' for name, count in counts.items())}.", *notes]
    scale = scale_title(first.scale, sign="×")
    titles = " and ".join(column.title for column in shown)
    random = names_of_random([(record.method, record.provenance.get("vlm")) for record in records])
    return " ".join(
        [f"{first.dataset} (n = {n} images), {scale}: mean {titles}.", *notes, *([random] if random else [])]
    )
