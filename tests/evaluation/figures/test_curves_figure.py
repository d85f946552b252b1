from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.figures.curves_figure import Series, draw_curves, series_of
from segsr_arch.evaluation.figures.validation_curves import Curve, read_curve
from segsr_arch.evaluation.saved_evaluations import find_validations
from tests.evaluation.figures.records import PSNR, all_text, texts, write_evaluation


def a_curve(name, points, **changes):
    return Curve(**{"name": name, "dataset": "Set", "scale": 4, "column": PSNR, "points": points, "n": 3, **changes})


@pytest.fixture
def run(tmp_path):
    for iteration, sigma in ((100, 2.0), (200, 1.5), (300, 1.0)):
        write_evaluation(tmp_path / "experiments", "run", sigma, iteration=iteration, vlm="ViT with weights random(0)")
    return tmp_path / "experiments/run"


def write_events(folder, values, *, dataset="Set"):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        for step, value in values:
            writer.add_scalar(f"metrics/{dataset}/psnr", value, step)


def test_a_curve_holds_the_means_of_the_validations(run):
    curve = read_curve(run)
    expected = {record.iteration: record.summary[PSNR.name].mean for record in find_validations(run)}
    assert curve.points == expected and list(expected) == [100, 200, 300]
    assert (curve.name, curve.dataset, curve.n, curve.column) == ("run", "Set", 3, PSNR)


def test_a_group_is_drawn_as_its_mean_and_a_band_at_common_iterations():
    one, two = a_curve("s0", {100: 20.0, 200: 24.0, 300: 26.0}), a_curve("s1", {100: 22.0, 200: 25.0})
    figure = draw_curves([Series(name="SeG-SR", curves=(one, two))])
    axes = figure.axes[0]
    line = axes.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [100, 200])
    np.testing.assert_array_equal(line.get_ydata(), [21.0, 24.5])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert {tuple(corner) for corner in corners} == {(100, 20), (100, 22), (200, 24), (200, 25)}
    assert "SeG-SR (mean of 2 runs, band: least to greatest)" in texts(figure)


def test_a_few_iterations_are_counted_in_whole_numbers():
    figure = draw_curves([Series(name="short", curves=(a_curve("short", {3: 20.0, 6: 21.0}),))])
    figure.canvas.draw()
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(labels) == len(set(labels)) and {"3", "6"} <= set(labels)


def test_runs_have_different_lines_and_markers_and_the_caption_says_what_it_is(run):
    curves = [read_curve(run), a_curve("other", {100: 20.0, 300: 21.0})]
    figure = draw_curves(series_of(curves, {}))
    first, second = figure.axes[0].lines
    assert first.get_marker() != second.get_marker()
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_color() != second.get_color()
    assert "Set (n = 3 images), ×4: PSNR (y-crop), dB over iterations" in all_text(figure)
    assert "RANDOM weights: run." in all_text(figure)


def test_many_long_names_stay_on_the_page():
    curves = [a_curve(f"an_experiment_with_a_long_name_{i}_" + "x" * 12 * i, {1: 20.0 + i}) for i in range(9)]
    figure = draw_curves(series_of(curves, {}))
    figure.canvas.draw()
    named = [text for text in figure.findobj(Text) if "long" in text.get_text() or "Set" in text.get_text()]
    assert len(named) >= 10
    for text in named:
        box = text.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0, text


def test_curves_that_do_not_show_the_same_are_refused():
    first = a_curve("a", {1: 2.0})
    for changes, message in (
        ({"dataset": "Other"}, "Set and Other"),
        ({"scale": 2}, "x4 and x2"),
        ({"n": 5}, "3 and 5"),
        ({"column": PSNR.__class__(name="psnr", metric="psnr", backend="TensorBoard")}, "--tensorboard"),
    ):
        with pytest.raises(ConfigError, match=message):
            draw_curves(series_of([first, a_curve("b", {1: 2.0}, **changes)], {}))
    with pytest.raises(ConfigError, match="no iteration in common"):
        draw_curves([Series(name="g", curves=(first, a_curve("b", {2: 2.0})))])
    with pytest.raises(ConfigError, match="same name: a;"):
        series_of([first, first], {})


def test_one_protocol_is_one_figure_whatever_computed_it():
    other = a_curve("b", {1: 21.0}, column=replace(PSNR, backend="calculate_psnr of basicsr", decimals=4))
    figure = draw_curves(series_of([a_curve("a", {1: 20.0}), other], {}))
    assert len(figure.axes[0].lines) == 2


def test_event_files_beside_experiments_are_read_where_there_are_no_evaluations(tmp_path):
    run = tmp_path / "experiments/stock"
    run.mkdir(parents=True)
    write_events(tmp_path / "tb_logger/stock", [(100, 20.0), (200, 21.0), (200, 21.5)])
    curve = read_curve(run)
    assert curve.points == {100: 20.0, 200: 21.5}
    assert (curve.name, curve.dataset, curve.column.backend) == ("stock", "Set", "TensorBoard")
    caption = all_text(draw_curves(series_of([curve], {})))
    assert "protocol, and whether weights were random: see its option file" in caption
    with pytest.raises(ConfigError, match="has no such metric; known are: psnr"):
        read_curve(run, column="lpips")
    with pytest.raises(ConfigError, match="--dataset X: .*only on Set"):
        read_curve(run, dataset="X")


def test_evaluations_come_first_unless_event_files_are_asked_for(run):
    write_events(run.parent.parent / "tb_logger/run", [(100, 20.0)])
    assert read_curve(run).column == PSNR
    assert read_curve(run, tensorboard=True).points == {100: 20.0}


def test_what_was_looked_for_is_said(tmp_path, run):
    empty = tmp_path / "experiments/empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"no evaluation.json of a validation.*tb_logger/empty"):
        read_curve(empty)
    with pytest.raises(DataError, match="tb_logger/run"):
        read_curve(run, tensorboard=True)
    (run / "validation/Set/00000200/evaluation.json").write_text("{")
    with pytest.raises(DataError, match="no JSON"):
        read_curve(run)


def test_other_numbers_of_images_are_no_curve(tmp_path, run):
    write_evaluation(tmp_path / "experiments", "run", 1.0, iteration=400, names=["farm01"])
    with pytest.raises(DataError, match=r"different numbers of images \(\[1, 3\]\)"):
        read_curve(run)


def test_several_runs_below_one_path_are_refused(tmp_path, run):
    write_evaluation(tmp_path / "experiments", "other", 1.0, iteration=400)
    with pytest.raises(ConfigError, match="several runs"):
        read_curve(tmp_path / "experiments")
