import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from segsr_arch.evaluation.report.curves import draw_charts
from tests.evaluation.report.small_runs import LPIPS, PSNR, make_record


def validations(*given):
    return [make_record(method, {"x": value}, iteration=iteration) for method, iteration, value in given]


def marks(chart, number):
    """Place and text of each marker of a curve."""
    group = ElementTree.fromstring(chart.svg).findall(".//g[@clip-path]")[number]
    return [(float(use.get("x")), float(use.get("y")), use.findtext("title")) for use in group.iter("use")]


def test_points_lie_by_iteration_and_value_and_say_what_they_are():
    (chart,) = draw_charts(
        validations(("A", 500, 20.0), ("A", 1500, 22.0), ("A", 1000, 24.0), ("B", 1000, math.inf), ("B", 500, 21.0))
    )
    xs, ys, texts = zip(*marks(chart, 0), strict=True)
    assert texts == ("A at 500: 20.00", "A at 1000: 24.00", "A at 1500: 22.00")
    assert xs[2] - xs[1] == pytest.approx(xs[1] - xs[0]) and xs[1] > xs[0]
    assert ys[0] > ys[2] > ys[1] > 0  # the value grows upwards
    assert [text for _, _, text in marks(chart, 1)] == ["B at 500: 21.00"]
    assert [[cell.text for cell in row] for row in chart.table.rows] == [
        ["500", "20.00", "21.00"],
        ["1000", "24.00", "∞"],
        ["1500", "22.00", "–"],
    ]


def test_every_point_of_a_long_training_has_its_text():
    (chart,) = draw_charts(validations(*(("A", 100 * i, 20.0 + i) for i in range(150))))
    assert len(marks(chart, 0)) == 150


def test_the_page_colours_it_and_its_policy_lets_all_of_it_pass():
    (chart,) = draw_charts(validations(("A <b>", 500, 20.0), ("A <b>", 600, 20.0), ("B", 600, 21.0)))
    assert "style" not in chart.svg and "xlink" not in chart.svg and "DejaVu" not in chart.svg
    assert not re.search(r"#[0-9a-f]{6}\\b(?!\")", chart.svg.lower())
    assert set(re.findall(r'(?:fill|stroke)="([^"]*)"', chart.svg)) == {
        "none",
        *(f"var(--{name})" for name in ("s0", "s1", "ink", "line", "paper")),
    }
    words = [text.text for text in ElementTree.fromstring(chart.svg).iter("text")]
    assert {"iteration", "PSNR (y-crop), dB", "A <b>", "B"} <= set(words)  # text that can be found and read aloud


def test_the_same_values_give_the_same_picture_and_charts_share_no_identifier():
    given = validations(("A", 500, 20.0), ("A", 600, 21.0))
    (chart,), (again,) = draw_charts(given), draw_charts(given)
    assert chart.svg == again.svg
    (other,) = draw_charts([make_record("A", {"x": 20.0}, iteration=1, dataset="Other")])
    ids = [re.findall(r'id="([^"]*)"', each.svg) for each in (chart, other)]
    assert ids[0] and len(set(ids[0])) == len(ids[0]) and not set(ids[0]) & set(ids[1])


def test_runs_that_measured_one_figure_share_a_chart_and_others_say_how_they_differ():
    other = replace(PSNR, backend="another library", decimals=3)
    (chart,) = draw_charts(
        [make_record("A", {"x": 20.0}, iteration=1), make_record("B", {"x": 21.0}, iteration=1, columns=(other,))]
    )
    assert chart.table.headers == ("Iteration", "A", "B")
    one, two = (replace(LPIPS, backend=name) for name in ("alex", "vgg"))
    charts = draw_charts(
        [make_record(name, {"x": 0.2}, iteration=1, columns=(each,)) for name, each in (("A", one), ("B", two))]
    )
    assert [each.title for each in charts] == ["LPIPS, Small, x4, alex", "LPIPS, Small, x4, vgg"]


def test_one_validation_gives_one_point():
    (chart,) = draw_charts(validations(("A", 500, 20.0)))
    assert len(marks(chart, 0)) == 1


def test_no_chart_without_values():
    assert draw_charts([make_record("A", {"x": {}}, iteration=500)]) == []
    assert draw_charts(validations(("A", 500, math.inf))) == []
