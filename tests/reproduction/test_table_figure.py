import pytest

from segsr_arch.errors import DataError
from segsr_arch.evaluation.figures.style import WIDTH, save_figure
from segsr_arch.reproduction.outcome import collect
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.table_figure import draw_outcome
from segsr_arch.reproduction.workplace import Workplace
from tests.evaluation.figures.records import all_text, texts
from tests.reproduction.made import leave_run, make_settings


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path)


def outcome(place, key, *, seeds=(0, 1, 2), base=None, rows=None, without=()):
    """Row n of seed s has 27 + 0.1 n + 0.01 s dB."""
    plan = make_plan(make_table(key, base=base), make_settings(), seeds=seeds, rows=rows)
    for row in plan.rows:
        for run in row.runs:
            if row.number not in without:
                leave_run(place, run, 27.0 + 0.1 * row.number + 0.01 * run.seed * (row.number > 1))
    return collect(plan, place)


def points(axes, marker):
    """Places of the markers of a kind, by rows."""
    found = {}
    for line in axes.lines:
        if line.get_marker() == marker:
            for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
                found.setdefault(round(y), []).append(pytest.approx(x, abs=1e-9))
    return found


def test_differences_seed_by_seed_the_mean_the_papers_and_the_bases_own_seeds(place):
    figure = draw_outcome(outcome(place, "table4", base="EDSR"))
    (axes,) = (axes for axes in figure.axes if axes.get_xlabel())
    assert axes.get_xlabel() == "difference in PSNR from the plain base, dB"
    expected = {row: [0.1 * row + 0.01, 0.1 * row, 0.1 * row + 0.01, 0.1 * row + 0.02] for row in (1, 2, 3)}
    assert points(axes, "o") == expected  # mean, then seeds
    assert points(axes, "D") == {1: [0.1779], 2: [0.1818], 3: [0.2029]}
    assert points(axes, "|") == {0: [0.0, 0.0, 0.0]}
    sizes = [line.get_markersize() for line in axes.lines if line.get_marker() == "o"]
    assert sizes[0] > 2 * sizes[1]
    assert all(line.get_markerfacecolor() == "none" for line in axes.lines if line.get_marker() == "D")
    assert any(list(line.get_xdata()) == [0.0, 0.0] for line in axes.lines)  # the line at 0
    low, high = axes.get_xlim()
    assert low < 0 and high > 0.32
    words = all_text(figure)
    for text in ("SFEM + SLM + LMM", "+0.310 ± 0.010", "27.410 ± 0.010", "the paper (base HAT)", "RANDOM WEIGHTS"):
        assert text in words
    assert "Preset small" in words and "UCMerced_val" in words and "Incomplete" not in words


def test_it_fits_on_the_page_and_is_saved_twice(place, tmp_path):
    figure = draw_outcome(outcome(place, "extra", seeds=[0, 1]))
    assert figure.get_size_inches()[0] == pytest.approx(WIDTH)
    figure.canvas.draw()
    for text in figure.findobj(lambda artist: hasattr(artist, "get_text")):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= -1, text.get_text()
    labels = [
        text for text in figure.texts if text.get_text() in ("LMM without LayerNorm", "learned upsampling of maps")
    ]
    axes = next(axes for axes in figure.axes if axes.get_xlabel())
    assert all(text.get_window_extent().x1 < axes.get_window_extent().x0 for text in labels) and len(labels) == 2
    assert [path.suffix for path in save_figure(figure, tmp_path / "f/extra")] == [".png", ".pdf"]


def test_methods_are_shown_by_psnr_and_the_papers_apart_on_the_same_scale(place):
    figure = draw_outcome(outcome(place, "table1", seeds=[0], without=(3,)))
    ours, paper = (axes for axes in figure.axes if axes.get_xlabel())
    assert (ours.get_xlabel(), paper.get_xlabel()) == ("PSNR, dB", "PSNR in the paper, dB")
    assert points(ours, "o") == {row: [27.1 + 0.1 * row] for row in (0, 1, *range(3, 12))}
    assert points(ours, "D") == {} and points(paper, "D")[11] == [29.3042] and len(points(paper, "D")) == 12
    widths = [axes.get_xlim()[1] - axes.get_xlim()[0] for axes in (ours, paper)]
    assert widths[0] == pytest.approx(widths[1])
    assert "mean over seeds" not in texts(figure) and "one seed" in texts(figure)
    assert "Incomplete: see the table." in all_text(figure).replace("\n", " ")


def test_without_the_plain_base_it_is_psnr_itself(place):
    figure = draw_outcome(outcome(place, "table5"))
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()] == ["PSNR, dB", "PSNR in the paper, dB"]


def test_without_any_run_there_is_nothing_to_draw(place):
    with pytest.raises(DataError, match=r"The guide's modules .*no run is finished"):
        draw_outcome(outcome(place, "table4", without=(1, 2, 3, 4)))


def test_what_is_not_finite_is_left_out(place):
    plan = make_plan(make_table("table4"), make_settings(), seeds=[0, 1], rows=[1, 4])
    for run in plan.runs:
        leave_run(place, run, [float("inf"), 27.0] if run.seed else [26.0, 27.0])
    draw_outcome(collect(plan, place)).canvas.draw()
