import dataclasses

import pytest
from matplotlib.text import Text

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.cost_points import Point, read_points
from segsr_arch.evaluation.figures.tradeoff_figure import PointAxis, compare_costs, compare_figures, draw_tradeoff
from segsr_arch.evaluation.saved_evaluations import find_methods
from tests.evaluation.figures.records import PSNR, a_cost, all_text, texts, write_evaluation

HEADER = "method,psnr,parameters,macs,seconds\n"


def a_point(method, value, **changes):
    costs = {"parameters": 1e6, "macs": 1e9, "seconds": 0.5, "measured": True}
    return Point(method=method, value=value, **{**costs, **changes})


@pytest.fixture
def records(tmp_path):
    write_evaluation(tmp_path, "A", 2.0, cost=a_cost(parameters=900_000, seconds=0.5), vlm="random(0)")
    write_evaluation(tmp_path, "B", 1.0, cost=a_cost(macs=8 * 10**9))
    return find_methods([tmp_path])


def test_points_lie_at_cost_and_mean(records):
    figure = compare_costs(records)
    means = [record.summary[PSNR.name].mean for record in records]
    expected = {
        "parameters, millions": [(0.9, means[0]), (2.0, means[1])],
        "multiply-accumulates, 10⁹": [(5.0, means[0]), (8.0, means[1])],
        "time, ms": [(500.0, means[0]), (250.0, means[1])],
    }
    drawn = {
        axes.get_xlabel(): [(*line.get_xdata(), *line.get_ydata()) for line in axes.lines] for axes in figure.axes[:3]
    }
    assert drawn == {title: [pytest.approx(place) for place in places] for title, places in expected.items()}
    assert texts(figure).count("A") == 3
    caption = all_text(figure)
    for text in ("Set (n = 3 images), ×4", "LR image of 64 × 64 pixels", "median, on cpu", "RANDOM weights: A."):
        assert text in caption


def test_published_points_are_hollow_and_said_to_be(records, tmp_path):
    path = tmp_path / "points.csv"
    path.write_text(HEADER + "Theirs,28.5,20770000,,\n\n", encoding="utf-8")
    figure = compare_costs(records, published=read_points(path))
    faces = [line.get_markerfacecolor() for line in figure.axes[0].lines]
    assert [face == "white" for face in faces] == [False, False, True]
    assert [len(axes.lines) for axes in figure.axes[:3]] == [3, 2, 2]
    assert "hollow: published, not measured here" in texts(figure)
    assert figure.axes[0].get_xscale() == "log"
    with pytest.raises(ConfigError, match="holds PSNR"):
        ssim = dataclasses.replace(PSNR, name="ssim", metric="ssim")
        rows = [tuple(dataclasses.replace(row, values={"ssim": 0.5}) for row in record.images) for record in records]
        others = [
            dataclasses.replace(record, columns=(ssim,), images=images)
            for record, images in zip(records, rows, strict=True)
        ]
        compare_costs(others, published=read_points(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,psnr\nA,1\n", "first line must be method,psnr,parameters,macs,seconds"),
        ("", "first line must be"),
        (HEADER, "holds no method"),
        (HEADER + "A,28.1,1\n", "line 2: 3 values, expected 5"),
        (HEADER + "A,28.1,1,2,3\nB,29 dB,1,2,3\n", "line 3, psnr: 29 dB is no number"),
        (HEADER + "A,28.1,-1,2,3\n", "line 2, parameters: -1 must be finite and not negative"),
        (HEADER + ",28.1,1,2,3\n", "line 2: method and psnr must not be empty"),
    ],
)
def test_broken_files_of_points_are_refused_by_line(tmp_path, content, message):
    path = tmp_path / "points.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_points(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_points(tmp_path / "none.csv")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_points_of_a_spreadsheet_are_read(tmp_path, encoding):
    path = tmp_path / "points.csv"
    path.write_bytes((HEADER + "Theirs,28.5,20770000,,\n").replace("\n", "\r\n").encode(encoding))
    assert [(point.method, point.value) for point in read_points(path)] == [("Theirs", 28.5)]


def test_costs_under_other_conditions_are_left_out_and_that_is_said(records):
    a, b = records
    other = dataclasses.replace(b, cost=a_cost(device="NVIDIA H200"))
    figure = compare_costs([a, other])
    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters, millions", "multiply-accumulates, 10⁹"]
    assert "Times are left out, since devices differ (A: cpu, B: NVIDIA H200)" in all_text(figure)
    figure = compare_costs([a, dataclasses.replace(b, cost=a_cost(lr_size=(48, 48)))])
    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters, millions"]
    assert "LR sizes differ (A: 64 × 64, B: 48 × 48)" in all_text(figure)
    figure = compare_costs([a, dataclasses.replace(b, cost=None)])
    assert "Without a cost, so not shown: B." in all_text(figure)
    with pytest.raises(DataError, match="No method has a cost"):
        compare_costs([dataclasses.replace(record, cost=None) for record in records])


def test_other_images_cannot_be_compared(records, tmp_path):
    write_evaluation(tmp_path / "few", "Few", 1.0, names=["farm01"], cost=a_cost())
    with pytest.raises(ConfigError, match="measured different images"):
        compare_costs([*records, *find_methods([tmp_path / "few"])])


def test_names_that_find_no_room_go_into_a_legend():
    points = [a_point(f"A method with a long name {i}", 28.0 + 0.001 * i) for i in range(14)]
    figure = draw_tradeoff(points, value_title="PSNR", caption="caption")
    figure.canvas.draw()
    assert texts(figure).count("A method with a long name 3") == 1
    names = [text for text in figure.findobj(Text) if "long" in text.get_text()]
    assert len(names) == 14 and all(text.get_window_extent().x1 <= figure.bbox.x1 for text in names)
    near = draw_tradeoff(points[:2], value_title="PSNR", caption="caption")
    assert texts(near).count("A method with a long name 1") == 3


def test_axes_are_logarithmic_beyond_a_factor_of_ten_and_never_with_zero():
    def axis(*values):
        return PointAxis.of_cost("parameters", [a_point("A", 1.0, parameters=value) for value in values])

    assert axis(1e6, 9e6).log is False
    wide = axis(1e6, 1e8)
    assert wide.log and wide.low < 1 and wide.high > 100
    assert wide.share(10.0) == pytest.approx(0.5)
    assert axis(0.0, 1e8).log is False
    assert (axis(900.0, 5000.0).title, axis(5e6).unit) == ("parameters, thousands", 1e6)


def test_without_any_cost_there_is_nothing_to_draw():
    with pytest.raises(DataError, match="No method has parameters"):
        draw_tradeoff([a_point("A", 1.0, parameters=None, macs=None, seconds=None)], value_title="", caption="")


def with_second(record, value, *, name="lpips"):
    column = dataclasses.replace(PSNR, name=name, metric=name, protocol=None, better="lower", unit="", label="LPIPS")
    rows = tuple(dataclasses.replace(row, values={**row.values, name: value}) for row in record.images)
    return dataclasses.replace(record, columns=(*record.columns, column), images=rows)


def test_methods_are_drawn_by_two_figures_and_it_is_said_which_way_is_better(records):
    both = [with_second(record, value) for record, value in zip(records, (0.25, 0.5), strict=True)]
    figure = compare_figures([dataclasses.replace(record, cost=None) for record in both], against="lpips")
    (axes,) = figure.axes[:1]
    assert [(*line.get_xdata(), *line.get_ydata()) for line in axes.lines] == [
        pytest.approx((value, record.summary[PSNR.name].mean)) for value, record in zip((0.25, 0.5), both, strict=True)
    ]
    assert axes.get_xlabel() == "LPIPS (lower is better)"
    assert axes.get_ylabel() == "PSNR (y-crop), dB (higher is better)"
    assert axes.get_xscale() == "linear" and texts(figure).count("A") == 1
    assert "Set (n = 3 images), ×4: mean PSNR (y-crop), dB and LPIPS." in all_text(figure)
    with pytest.raises(ConfigError, match="--against psnr_y-crop: is what --column shows already"):
        compare_figures(both, against="psnr_y-crop")
    with pytest.raises(ConfigError, match="--against lpisp: was not computed in the same way.*lpips"):
        compare_figures(both, against="lpisp")
    with pytest.raises(DataError, match="the mean of lpips is not finite"):
        compare_figures([both[0], with_second(records[1], float("inf"))], against="lpips")
