import pytest

from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.paper_tables import TABLE_KEYS, make_table
from segsr_arch.reproduction.plan import check_scale
from segsr_arch.semantics import SemanticsConfig


def labelled(key, **options):
    return {row.label: row for row in make_table(key, **options).rows}


def test_rows_and_the_papers_figures():
    assert {key: len(make_table(key).rows) for key in TABLE_KEYS} == {
        "table1": 12,
        "table2": 12,
        "table3": 6,
        "table4": 4,
        "table5": 5,
        "table6": 5,
        "table7": 12,
        "extra": 28,
    }
    full = [
        labelled("table4")["SFEM + SLM + LMM"],
        labelled("table5")["QKV + FFN"],
        labelled("table7")["HAT + 6 units"],
    ]
    full += [labelled("table6")["p_i + p_g + I_g"], labelled("table1")["SeG-SR"]]
    for row in full:
        assert (row.paper[4].ssim, row.paper[4].psnr) == (0.7961, 29.3042)
        assert row.variant.key == "HAT_u6" and dict(row.variant.semantics) == {}
    assert labelled("table7")["RCAN + 5 units"].paper[2].psnr == 35.6819
    assert labelled("table2")["HAT"].paper[2] != labelled("table2")["HAT"].paper[4]
    assert not any(row.paper for row in make_table("extra").rows)


def test_rows_differ_in_what_the_paper_varies():
    assert [dict(row.variant.semantics) for row in make_table("table4").rows] == [
        {},
        {"modules": "sfem"},
        {"modules": "sfem+lmm"},
        {},
    ]
    assert [row.variant.units for row in make_table("table4").rows] == [None, 6, 6, 6]
    assert [row.variant.rank_factor for row in make_table("table5").rows] == [1, 0.5, 1, 1, 2]
    assert [row.variant.semantics.get("lora_targets") for row in make_table("table5").rows] == [
        "none",
        None,
        "qkv",
        None,
        None,
    ]
    assert [row.variant.semantics.get("descriptors") for row in make_table("table6").rows] == [
        "p_i",
        "p_i+p_g",
        "p_i+I_g",
        "p_g+I_g",
        None,
    ]
    assert [(row.variant.base, row.variant.units) for row in make_table("table7").rows] == [
        (base, units)
        for base, counts in (("EDSR", (2, 4, 8)), ("RCAN", (2, 5, 10)), ("HAT", (2, 3, 6)))
        for units in (None, *counts)
    ]


def test_every_guide_of_the_study_has_its_controls_and_differs_in_what_its_label_says():
    rows = labelled("extra", base="EDSR")
    for name, options in (("identity", {"modulation_residual": True}), ("improved", {"preset": "improved"})):
        for ending, maps in (
            ("maps of zeros", "zero"),
            ("maps of others", "shuffled"),
            ("VLM sees HR", "oracle"),
        ):
            assert dict(rows[name].variant.semantics) == options
            assert dict(rows[f"{name}, {ending}"].variant.semantics) == {**options, "maps": maps}
            assert dict(rows[f"paper, {ending}"].variant.semantics) == {"maps": maps}
    hypotheses = [row for label, row in rows.items() if label.startswith("identity, ") and "maps" not in label]
    assert all(row.variant.semantics["modulation_residual"] for row in hypotheses)
    penalised = rows["identity, apart, penalty"].variant
    assert dict(penalised.semantics) == dict(rows["identity, units apart"].variant.semantics)
    assert dict(penalised.train) == {"unit_penalty": 0.01}
    assert max(len(label) for label in rows) < 28, "the list of tables has a column of that width"
    assert {label for label, row in rows.items() if not row.study} == {*list(rows)[:8], "identity", "improved"}


@pytest.mark.parametrize("key", TABLE_KEYS)
def test_every_network_of_a_table_has_a_key_of_its_own_and_options_that_the_guide_knows(key):
    networks = {}
    for row in make_table(key).rows:
        if row.variant is not None:
            variant = row.variant
            described = variant.base, variant.units, variant.rank_factor, dict(variant.semantics), dict(variant.train)
            assert networks.setdefault(row.variant.key, described) == described
            SemanticsConfig.from_options({"pretrained": None, **row.variant.semantics})


def test_another_base_keeps_the_papers_figures_and_has_its_own_recommended_units():
    table = make_table("table4", base="RCAN")
    assert (table.base, table.paper_base) == ("RCAN", "HAT")
    assert table.rows[0].paper[4].psnr == 29.1013
    assert [row.variant.key for row in table.rows] == ["RCAN", "RCAN_u5_sfem", "RCAN_u5_sfem-lmm", "RCAN_u5"]
    assert make_table("table7").base is None


@pytest.mark.parametrize(
    ("key", "base", "message"),
    [
        ("table8", None, "'table8' is no table; use one of table1"),
        ("table4", "SwinIR", "--base: 'SwinIR' is not known; use one of EDSR, RCAN, HAT"),
        ("table7", "EDSR", "--base: table7 names its networks itself"),
    ],
)
def test_what_cannot_be_made_is_refused(key, base, message):
    with pytest.raises(ConfigError, match=message):
        make_table(key, base=base)


@pytest.mark.parametrize(
    ("key", "scale", "rows", "psnr", "ssim"),
    [
        ("table1", 2, 12, 426.8470, 11.2657),
        ("table1", 4, 12, 349.0560, 9.4592),
        ("table2", 2, 12, 437.6172, 11.3220),
        ("table2", 4, 12, 366.7028, 9.7081),
        ("table3", 4, 6, 175.0226, 4.7486),
        ("table4", 4, 4, 116.9678, 3.1742),
        ("table5", 4, 5, 146.4099, 3.9760),
        ("table6", 4, 5, 146.4839, 3.9772),
        ("table7", 2, 12, 428.3693, 11.2784),
        ("table7", 4, 12, 349.8911, 9.4803),
    ],
)
def test_no_figure_of_the_paper_is_mistyped(key, scale, rows, psnr, ssim):
    """The sums of the columns, of tables that were compared with the paper figure by figure."""
    figures = [row.paper[scale] for row in make_table(key).rows if scale in row.paper]
    assert len(figures) == rows
    assert sum(figure.psnr for figure in figures) == pytest.approx(psnr, abs=2e-5)
    assert sum(figure.ssim for figure in figures) == pytest.approx(ssim, abs=2e-5)


def test_table_3_is_of_runs_of_table_1_and_its_classes_have_the_papers_means():
    rows, of_all = make_table("table3").rows, labelled("table1")
    assert [row.label for row in rows] == ["HAT", "HAUNet", "SPT", "TTST", "MFG-HMoE", "SeG-SR"]
    for row in rows:
        assert row.variant == of_all[row.label].variant and row.paper == {4: of_all[row.label].paper[4]}
        classes = row.paper_classes
        assert len(classes) == 21 and list(classes)[::20] == ["agricultural", "tenniscourt"]
        # UC Merced has as many test images of each class, so that the mean over classes is that over images.
        assert sum(each.psnr for each in classes.values()) / 21 == pytest.approx(row.paper[4].psnr, abs=1e-4)
        assert sum(each.ssim for each in classes.values()) / 21 == pytest.approx(row.paper[4].ssim, abs=1e-4)
    assert rows[-1].paper_classes["parkinglot"].psnr == 24.6582
    with pytest.raises(ConfigError, match="--scale: table3 has x4, not x2"):
        check_scale(make_table("table3"), 2)
