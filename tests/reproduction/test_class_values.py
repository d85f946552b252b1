import csv
import json

import pytest

from segsr_arch.reproduction.class_figure import draw_classes
from segsr_arch.reproduction.class_values import class_table, image_counts, of_class
from segsr_arch.reproduction.console import write_table
from segsr_arch.reproduction.outcome import PSNR, SSIM, collect
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.table_files import printed
from segsr_arch.reproduction.workplace import Workplace
from tests.evaluation.figures.records import all_text
from tests.reproduction.made import leave_run, make_settings

CLASSES = ("agricultural", "farm", "river", "", "river")


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path)


def make(place, *, rows=(1, 6), seeds=(0, 1)):
    """Row n of seed s has n + 0.1 s above 20, 21, 22, 23 and 24 dB."""
    plan = make_plan(make_table("table3"), make_settings(), seeds=seeds, rows=rows)
    for row in plan.rows:
        for run in row.runs:
            values = [20.0 + number + row.number + 0.1 * run.seed for number in range(5)]
            leave_run(place, run, values, classes=CLASSES)
    return collect(plan, place)


def test_a_class_is_the_mean_over_its_images_over_seeds(place):
    outcome = make(place)
    found = of_class(outcome.rows[0], PSNR)
    assert list(found) == ["agricultural", "farm", "river"]
    assert found["agricultural"].values == pytest.approx((21.0, 21.1))
    assert found["river"].values == pytest.approx((24.0, 24.1))
    assert found["river"].std == pytest.approx(0.0707, abs=1e-4)
    assert of_class(outcome.rows[0], "lpips") == {}
    counts = image_counts(outcome)
    assert list(counts)[0] == "agricultural" and list(counts)[-1] == "farm" and len(counts) == 22
    assert (counts["river"], counts["farm"], counts["beach"]) == (2, 1, 0)


def test_images_of_no_class_make_a_table_and_a_figure_without_classes(place):
    plan = make_plan(make_table("table3"), make_settings(), seeds=[0], rows=[1])
    leave_run(place, plan.rows[0].runs[0], [20.0, 21.0], classes=("",))
    paths = write_table(collect(plan, place), place, None)
    assert {path.suffix for path in paths} >= {".md", ".png"} and all(path.is_file() for path in paths)


def test_the_papers_values_stand_beside_ours_and_the_best_are_marked(place):
    table = class_table(make(place), PSNR)
    assert table.headers == ("class", "images", "HAT, paper", "HAT", "SeG-SR, paper", "SeG-SR")
    lines = {line[0]: line for line in table.plain()}
    assert lines["river"] == ["river", "2", "30.9202", "24.0500 ± 0.0707", "31.0398", "29.0500 ± 0.0707"]
    assert lines["farm"] == ["farm", "1", "-", "22.0500 ± 0.0707", "-", "27.0500 ± 0.0707"]
    assert lines["beach"] == ["beach", "0", "38.8892", "-", "38.9262", "-"]
    assert lines["all images"] == ["all images", "5", "29.0985", "23.0500 ± 0.0707", "29.3042", "28.0500 ± 0.0707"]
    river = next(row for row in table.rows if row[0].value == "river")
    assert [cell.best for cell in river] == [False, False, False, False, True, True]
    assert {line[0]: line for line in class_table(make(place), SSIM).plain()}["river"][2] == "0.8091"


def test_classes_that_only_one_side_has_are_said_plainly(place):
    text = printed(make(place), None)
    assert "PSNR by class, dB" in text and "SSIM by class" in text
    assert "Classes of the paper without an image here: airplane, baseballdiamond, beach," in text
    assert "Classes that the paper does not have: farm." in text
    assert "Images without a class, which are in no line: 1." in text
    plan = make_plan(make_table("table4"), make_settings(), seeds=[0])
    assert "by class" not in printed(collect(plan, place), None)


def test_files(place):
    outcome = make(place)
    paths = write_table(outcome, place, None)
    assert [path.name for path in paths] == [
        f"table3_x4_rows1-6{ending}" for ending in (".md", ".csv", "_classes.csv", ".json", ".png", ".pdf")
    ]
    text = paths[0].read_text()
    assert "## PSNR by class, dB" in text and "| **29.0500 ± 0.0707** |" in text and "| 24.0500 ± 0.0707 |" in text
    with open(paths[2], newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 22
    river = next(line for line in lines if (line["network"], line["class"]) == ("SeG-SR", "river"))
    assert [float(value) for value in river["psnr_y-crop_by_seed"].split()] == pytest.approx([29.0, 29.1])
    assert (river["images"], river["psnr_y-crop_paper"], river["ssim_y-crop_paper"]) == ("2", "31.0398", "0.8114")
    classes = json.loads(paths[3].read_text())["rows"][1]["classes"]
    assert classes["river"]["figures"][PSNR]["values"] == pytest.approx([29.0, 29.1])
    assert classes["beach"] == {"paper": {"psnr": 38.9262, "ssim": 0.9266}, "figures": {}}
    assert classes["farm"]["paper"] is None


def test_the_figure_is_about_differences_from_the_first_method(place):
    figure = draw_classes(make(place))
    ours, paper = figure.axes
    assert ours.get_xlabel() == "PSNR minus that of HAT here, dB"
    assert paper.get_xlabel() == "PSNR minus that of HAT in the paper, dB"
    at = {tuple(line.get_xdata()): list(line.get_ydata()) for line in ours.lines if line.get_linestyle() == "None"}
    assert [pytest.approx(values) for values in at] == [(0.0, 0.0, 0.0), (5.0, 5.0, 5.0)]
    assert list(at.values()) == [[0, 21, 16]] * 2, "in the places of their classes"
    shown = [max(line.get_xdata()) for line in paper.lines if line.get_linestyle() == "None"]
    assert max(shown) == pytest.approx(24.6582 - 23.8670)
    words = all_text(figure)
    assert "tenniscourt" in words and "RANDOM WEIGHTS" in words and "Incomplete" not in words
    assert figure.axes[0].get_ylim() == (21.5, -0.5)


def test_one_method_alone_is_drawn_itself(place):
    figure = draw_classes(make(place, rows=[1], seeds=[0]))
    (line,) = (line for line in figure.axes[0].lines)
    assert figure.axes[0].get_xlabel() == "PSNR here, dB"
    assert sorted(line.get_xdata()) == pytest.approx([21.0, 22.0, 24.0])
