import math
import statistics
from dataclasses import replace

import pytest

from segsr_arch.errors import SegsrError
from segsr_arch.reproduction.outcome import PSNR, Spread, collect
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.workplace import Workplace
from tests.reproduction.made import leave_run, make_settings


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path)


def make(key, *, seeds=(0, 1, 2), base=None, rows=None, **changes):
    return make_plan(make_table(key, base=base), make_settings(**changes), seeds=seeds, rows=rows)


def test_means_and_sample_deviations_over_seeds(place):
    plan = make("table4", base="EDSR", rows=[1])
    for run, psnr in zip(plan.runs, ([27.0, 29.0], [27.5, 29.5], [28.5, 30.5]), strict=True):
        leave_run(place, run, psnr, seconds=60.0 + psnr[0])
    (row,) = collect(plan, place).rows
    assert row.values[PSNR] == Spread(values=(28.0, 28.5, 29.5), mean=86 / 3, std=statistics.stdev([28.0, 28.5, 29.5]))
    assert row.values["psnr_rgb-crop"].mean == pytest.approx(86 / 3 - 1.5)
    assert row.values["ssim_y-crop"].values[1] == pytest.approx(28.5 / 40)
    assert row.seconds == 87.5 and row.missing == () and row.is_plain and row.difference is None


def test_one_seed_has_no_deviation(place):
    plan = make("table4", seeds=[5], rows=[1])
    leave_run(place, plan.runs[0], 27.0)
    assert collect(plan, place).rows[0].values[PSNR] == Spread(values=(27.0,), mean=27.0, std=None)
    assert Spread.of([math.inf, 1.0]).std is None


def test_differences_are_paired_by_seed_and_by_image(place):
    plan = make("table4", base="EDSR", rows=[1, 4], seeds=[0, 1])
    base, guided = plan.rows
    # images a and b; the seeds lie 10 dB apart, which the pairs do not see
    for run, psnr in zip(base.runs, ({"a": 20.0, "b": 24.0}, {"a": 30.0, "b": 34.0}), strict=True):
        leave_run(place, run, psnr)
    for run, psnr in zip(guided.runs, ({"a": 21.0, "b": 24.0}, {"a": 32.0, "b": 33.5}), strict=True):
        leave_run(place, run, psnr)
    found = collect(plan, place).rows[1].difference
    assert found.seeds == (0, 1)
    assert found.over_seeds.values == (0.5, 0.75) and found.over_seeds.mean == 0.625
    assert found.over_seeds.std == pytest.approx(statistics.stdev([0.5, 0.75]))
    # image a: +1 and +2, image b: 0 and -0.5
    assert found.over_images.n == 2 and found.over_images.difference.mean == pytest.approx((1.5 - 0.25) / 2)
    assert (found.over_images.won, found.over_images.lost) == (0.5, 0.5)
    assert found.over_images.difference.low == -0.25 and found.over_images.difference.high == 1.5


def test_seeds_that_the_base_lacks_are_left_out_and_named(place):
    plan = make("table4", base="EDSR", rows=[1, 4])
    for run in (*plan.rows[0].runs[:2], *plan.rows[1].runs):
        leave_run(place, run, 27.0 + run.seed)
    base, guided = collect(plan, place).rows
    assert base.missing == ("seed 2: not finished",)
    assert guided.difference.seeds == (0, 1) and len(guided.values[PSNR].values) == 3
    assert guided.missing == (
        "difference: the plain EDSR is not measured with seed 2 in this folder; it is row 1 of table4",
    )


def test_the_plain_base_of_another_table_in_the_same_folder_serves(place):
    plan = make("table6", seeds=[0])
    leave_run(place, plan.runs[0], 27.5)
    row = collect(plan, place).rows[0]
    assert row.difference is None
    assert row.missing == (
        "difference: the plain HAT is not measured with seed 0 in this folder; it is row 9 of table7",
    )
    leave_run(place, make("table7", seeds=[0], rows=[9]).runs[0], 27.0)
    assert collect(plan, place).rows[0].difference.over_seeds.values == (0.5,)


def test_a_base_of_other_conditions_does_not_serve(place, tmp_path):
    plan = make("table6", seeds=[0])
    leave_run(place, plan.runs[0], 27.5)
    leave_run(place, make("table7", seeds=[0], rows=[9], iterations=7).runs[0], 27.0)
    row = collect(plan, place).rows[0]
    assert row.difference is None and "train:total_iter" in row.missing[0]
    other = Workplace(tmp_path / "other")
    leave_run(other, plan.runs[0], 27.5)
    leave_run(other, plan.rows[0].baseline[0], 27.0, digest="other pixels")
    row = collect(plan, other).rows[0]
    assert row.difference is None and "the ground truth of 5 images has other pixels" in row.missing[0]
    assert row.values[PSNR].mean == 27.5


def test_seeds_that_measured_different_images_have_no_mean(place):
    plan = make("table4", rows=[1], seeds=[0, 1])
    leave_run(place, plan.runs[0], [27.0, 28.0])
    leave_run(place, plan.runs[1], [27.0, 28.0, 29.0])
    (row,) = collect(plan, place).rows
    assert row.values == {} and "figures: " in row.missing[0] and "different images" in row.missing[0]


def test_what_failed_and_what_is_not_finished_is_told(place):
    plan = make("table1", seeds=[0, 1], rows=[1, 2, 9])
    leave_run(place, plan.rows[0].runs[0], 27.0)
    failed = {plan.rows[0].runs[1].name: SegsrError("no space left.\nThe end of the log:\n  ...")}
    rows = collect(plan, place, failed=failed).rows
    assert rows[0].missing == ("seed 1: failed: no space left.",)
    assert rows[1].missing == ("seed 0: not finished", "seed 1: not finished")
    assert rows[2].missing == ("seed 0: not finished", "seed 1: not finished")
    assert rows[1].seconds is None and rows[1].values == {}


def test_figures_that_cannot_be_read_are_missing_and_the_others_stand(place):
    plan = make("table1", seeds=[0, 1], rows=[1, 2])
    for run in plan.runs:
        leave_run(place, run, 27.0)
    (place.evaluation_folder(plan.rows[0].runs[1]) / "evaluation.json").write_text("{")
    rows = collect(plan, place).rows
    assert "seed 1: failed: The figures of SRResNet_UCM_x4_seed1 cannot be read; remove " in rows[0].missing[0]
    assert [len(row.measured) for row in rows] == [1, 2] and rows[0].values[PSNR].mean == pytest.approx(27.0)


def test_what_was_measured_before_a_row_was_refused_has_its_figures(place):
    plan = make("table1", seeds=[0], rows=[1])
    leave_run(place, plan.runs[0], 27.0)
    refused = replace(plan, rows=(replace(plan.rows[0], unavailable="needs spandrel"),))
    (row,) = collect(refused, place).rows
    assert row.missing == ("needs spandrel",) and row.values[PSNR].mean == pytest.approx(27.0)


@pytest.mark.parametrize(
    ("key", "base", "number", "expected"),
    [
        ("table7", None, 2, 29.2717 - 28.9274),
        ("table7", None, 1, None),
        ("table4", "EDSR", 4, 29.3042 - 29.1013),  # the paper's figures stay those of HAT
        ("table5", None, 1, 29.2521 - 29.1013),  # its plain base is in table VII
        ("table5", "RCAN", 1, 29.2521 - 29.1013),
        ("table1", None, 12, 29.3042 - 29.0985),  # table I has another figure of HAT than table VII
        ("table1", None, 2, None),
        ("extra", None, 4, None),
    ],
)
def test_the_papers_own_differences(place, key, base, number, expected):
    row = collect(make(key, base=base), place).rows[number - 1]
    assert row.paper_difference == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("key", ["table1", "table2", "table4", "table5", "table6", "table7", "extra"])
def test_which_tables_are_about_differences(place, key):
    plan = make(key, rows=[1], dataset=make_table(key).dataset)
    assert collect(plan, place).is_about_differences == (key not in ("table1", "table2"))


def test_a_widened_base_is_compared_with_the_base_as_a_guided_one_is(place):
    plan = make("extra", base="EDSR", rows=[1, 16])
    for row, psnr in zip(plan.rows, (27.0, 27.25), strict=True):
        leave_run(place, row.runs[0], psnr)
    plain, wide = collect(plan, place).rows
    assert plain.is_plain and plain.difference is None
    assert not wide.is_plain and wide.difference.over_seeds.mean == pytest.approx(0.25)


def test_seeds_beside_different_vision_language_models_have_no_mean(place):
    plan = make("table4", base="EDSR", rows=[4], seeds=[0, 1])
    for run, digest in zip(plan.runs, ("ba98", "ba98"), strict=True):
        leave_run(place, run, 27.0, vlm=f"inline with weights vit.pt (digest {digest})")
    assert collect(plan, place).rows[0].values[PSNR].mean == pytest.approx(27.0)
    leave_run(place, plan.runs[1], 27.0, vlm="inline with weights vit.pt (digest 7654)")
    (row,) = collect(plan, place).rows
    assert row.values == {}
    assert "trained beside different vision-language models" in row.missing[0] and "7654" in row.missing[0]
