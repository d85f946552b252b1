import math

import pytest

from segsr_arch.evaluation.report.curves import HEIGHT, LEFT, RIGHT, WIDTH, draw_charts, nice_ticks
from tests.evaluation.report.small_runs import make_record


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1000, [0, 200, 400, 600, 800, 1000]), (26.03, 26.71, [26.2, 26.4, 26.6]), (500, 500, [500])],
)
def test_ticks_are_round(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)


def test_points_lie_by_iteration_and_value():
    records = [
        make_record(method, {"x": value}, iteration=iteration)
        for method, iteration, value in (("A", 500, 20.0), ("A", 1500, 22.0), ("A", 1000, 24.0), ("B", 1000, math.inf))
    ]
    (chart,) = draw_charts(records)
    a, b = chart.curves
    xs, ys = zip(*a.points, strict=True)
    assert xs == pytest.approx((LEFT, (LEFT + WIDTH - RIGHT) / 2, WIDTH - RIGHT))
    assert ys[0] > ys[2] > ys[1] > 0  # the value grows upwards
    assert max(ys) < HEIGHT
    assert b.points == ()
    assert a.texts[1] == "A at 1000: 24.00"
    assert [[cell.text for cell in row] for row in chart.table.rows] == [
        ["500", "20.00", "–"],
        ["1000", "24.00", "∞"],
        ["1500", "22.00", "–"],
    ]


def test_one_validation_gives_one_point():
    (chart,) = draw_charts([make_record("A", {"x": 20.0}, iteration=500)])
    assert len(chart.curves[0].points) == 1
    assert [label for _, label in chart.x_ticks] == ["500"]


def test_no_chart_without_values():
    assert draw_charts([make_record("A", {"x": {}}, iteration=500)]) == []
