"""Validation figures over iterations as points and ticks of an SVG chart."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.tables import Cell, Table, typeset_number

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 36, 14, 44


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One run.

    Attributes:
        method: Name of the run.
        points: Places in the chart, in the order of the iterations.
        texts: What is said of each point.
    """

    method: str
    points: tuple[tuple[float, float], ...]
    texts: tuple[str, ...]

    @property
    def path(self) -> str:
        """The points as SVG's ``polyline`` takes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure of one data set over iterations.

    Attributes:
        title: The figure and the data set.
        x_ticks: Places and labels of the iterations.
        y_ticks: Places and labels of the values.
        curves: The runs.
        table: The same values as numbers.
    """

    title: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]
    table: Table


def nice_ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round numbers between two values, at steps of 1, 2 or 5 times a power of ten.

    Args:
        low: Smallest value.
        high: Largest value, not smaller.
        count: About how many.

    Returns:
        Ticks within [low, high], at least one unless no round number lies between.
    """
    span = (high - low) or abs(high) or 1.0
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _chart(title: str, column: Column, values: dict[str, dict[int, float]]) -> Chart | None:
    """Draw one figure: ``values`` by method and iteration."""
    numbers = [value for of_method in values.values() for value in of_method.values() if math.isfinite(value)]
    if not numbers:
        return None
    iterations = sorted({iteration for of_method in values.values() for iteration in of_method})
    low, high = min(numbers), max(numbers)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    low, high = low - margin, high + margin
    first, last = iterations[0], iterations[-1]

    def x(iteration: float) -> float:
        share = (iteration - first) / (last - first) if last > first else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    y_values = nice_ticks(low, high)
    step = y_values[1] - y_values[0] if len(y_values) > 1 else 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    curves = []
    for method, of_method in values.items():
        finite = [(iteration, value) for iteration, value in sorted(of_method.items()) if math.isfinite(value)]
        curves.append(
            Curve(
                method=method,
                points=tuple((x(iteration), y(value)) for iteration, value in finite),
                texts=tuple(f"{method} at {i}: {typeset_number(value, column.decimals)}" for i, value in finite),
            )
        )
    rows = tuple(
        (
            Cell(value=iteration),
            *(
                Cell(value=None if value is None else float(value), decimals=column.decimals)
                for value in (of_method.get(iteration) for of_method in values.values())
            ),
        )
        for iteration in iterations
    )
    return Chart(
        title=title,
        x_ticks=tuple((x(tick), f"{tick:,.0f}") for tick in nice_ticks(first, last)) or ((x(first), f"{first:,}"),),
        y_ticks=tuple((y(tick), typeset_number(tick, decimals)) for tick in y_values),
        curves=tuple(curves),
        table=Table(caption=title, headers=("Iteration", *values), rows=rows),
    )


def draw_charts(validations: Sequence[EvaluationRecord]) -> list[Chart]:
    """Draw every figure of every data set over the iterations.

    Args:
        validations: Records with an iteration, in any order.

    Returns:
        The charts; none for a figure without a finite value.
    """
    found: dict[tuple[str, int, Column], dict[str, dict[int, float]]] = {}
    for record in validations:
        for column in record.columns:
            if column.name in record.summary:
                values = found.setdefault((record.dataset, record.scale, column), {})
                values.setdefault(record.method, {})[record.iteration] = record.summary[column.name].mean
    charts = (_chart(f"{key[2].title}, {key[0]}, x{key[1]}", key[2], values) for key, values in found.items())
    return [chart for chart in charts if chart is not None]
