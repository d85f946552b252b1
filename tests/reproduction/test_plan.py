import pytest

from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from tests.reproduction.made import make_settings


def names(runs):
    return [run.name for run in runs]


def test_runs_go_seed_after_seed_and_each_once():
    plan = make_plan(make_table("table7"), make_settings(), seeds=[1, 0], rows=[3, 1])
    assert [row.number for row in plan.rows] == [1, 3]
    assert names(plan.runs) == [
        "EDSR_UCM_x4_seed1",
        "EDSR_u4_UCM_x4_random_seed1",
        "EDSR_UCM_x4_seed0",
        "EDSR_u4_UCM_x4_random_seed0",
    ]
    assert [run.train["manual_seed"] for run in plan.runs] == [1, 1, 0, 0]
    assert plan.runs[0].iterations == 1500 and plan.runs[0].dataset == "UCMerced_val"
    extra = make_plan(make_table("extra"), make_settings(), seeds=[0])
    assert names(extra.rows[2].runs) == names(extra.rows[3].runs) and len(extra.runs) == 26


def test_tables_share_runs_of_the_same_network():
    settings = make_settings(data_digest="d")
    places = (("table4", 4), ("table5", 4), ("table6", 5), ("table7", 12), ("extra", 4))
    rows = [make_plan(make_table(key), settings, seeds=[0], rows=[row]).rows[0].runs for key, row in places]
    assert all(row == rows[0] for row in rows) and rows[0][0].data_digest == "d"


def test_the_plain_base_of_a_row_is_known_whether_it_is_run_or_not():
    plan = make_plan(make_table("table5"), make_settings(), seeds=[0, 1])
    assert {tuple(names(row.baseline)) for row in plan.rows} == {("HAT_UCM_x4_seed0", "HAT_UCM_x4_seed1")}
    assert not set(names(plan.rows[0].baseline)) & set(names(plan.runs))
    assert make_plan(make_table("table4"), make_settings(), seeds=[0]).rows[0].baseline == ()
    (wide,) = make_plan(make_table("extra", base="EDSR"), make_settings(), seeds=[0], rows=[16]).rows
    assert names(wide.runs) == ["EDSR_wide_UCM_x4_seed0"] and names(wide.baseline) == ["EDSR_UCM_x4_seed0"]


def test_rows_that_cannot_be_run_say_why():
    plan = make_plan(make_table("table1"), make_settings(), seeds=[0])
    assert not any(row.unavailable for row in plan.rows) and len(plan.runs) == 12
    pretrained = make_plan(make_table("extra"), make_settings(), seeds=[0]).rows[1]
    assert pretrained.runs == () and "--vlm-pretrained" in pretrained.unavailable


@pytest.mark.parametrize(
    ("key", "settings", "given", "message"),
    [
        ("table4", {"scale": 2}, {}, "--scale: table4 has x4, not x2"),
        ("table7", {"scale": 3}, {}, "--scale: table7 has x2 and x4, not x3"),
        ("table4", {}, {"seeds": []}, "--seeds: give different whole numbers from 0, got none"),
        ("table4", {}, {"seeds": [1, 1]}, "--seeds: .*got 1 1"),
        ("table4", {}, {"seeds": [-1]}, "--seeds: "),
        ("table4", {}, {"rows": [5]}, "--rows: .* of table4: 1 no guide; 2 SFEM; 3 SFEM . LMM; 4 "),
        ("table4", {}, {"rows": [1, 1]}, "--rows: "),
        ("table4", {}, {"rows": []}, "--rows: "),
    ],
)
def test_what_is_wrong_is_refused(key, settings, given, message):
    with pytest.raises(ConfigError, match=message):
        make_plan(make_table(key), make_settings(**settings), **{"seeds": [0], **given})
