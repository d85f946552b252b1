from dataclasses import replace

from segsr_arch.evaluation.report.sections import group_records, last_validations, without_repetitions
from tests.evaluation.report.small_runs import LPIPS, PSNR, make_record


def test_one_section_for_each_data_set_and_scale():
    records = [
        make_record("A", {"x": 1.0}),
        make_record("B", {"x": 1.0}, dataset="Other"),
        make_record("C", {"x": 1.0}),
        make_record("A", {"x": 1.0}, scale=2),
    ]
    sections = group_records(records)
    assert [section.title for section in sections] == ["Small, x4", "Other, x4", "Small, x2"]
    assert [record.method for record in sections[0].records] == ["A", "C"]


def test_methods_of_the_same_name_are_numbered_and_that_is_said():
    first = make_record("HAT", {"x": 1.0})
    second = make_record("HAT", {"x": 2.0}, provenance={"checkpoint": {"path": "net_g_best.pth"}})
    (section,) = group_records([first, second])
    assert [record.method for record in section.records] == ["HAT", "HAT (2)"]
    assert "net_g_best.pth" in section.notes[0]


def test_the_same_evaluation_given_twice_is_shown_once():
    record = make_record("A", {"x": 1.0})
    assert without_repetitions([record, replace(record), make_record("A", {"x": 2.0})]) == [
        record,
        make_record("A", {"x": 2.0}),
    ]


def test_last_validation_of_each_run():
    records = [make_record("A", {"x": float(i)}, iteration=i) for i in (2000, 500)]
    (last,) = last_validations(records)
    assert last.method == "A @ 2000"
    assert last.values("psnr_y-crop") == {"x": 2000.0}


def test_methods_on_different_images_are_not_comparable_and_the_reason_is_kept():
    (section,) = group_records([make_record("A", {"x": 1.0, "y": 1.0}), make_record("B", {"x": 1.0, "z": 1.0})])
    assert not section.comparable(PSNR)
    assert "different images" in section.obstacles[0]
    assert section.image_names == ("x", "y", "z")


def test_a_figure_that_one_method_lacks_or_computes_differently_has_no_best_method():
    both = (PSNR, LPIPS)
    a = make_record("A", {"x": {"psnr_y-crop": 1.0, "lpips": 0.1}}, columns=both)
    b = make_record("B", {"x": 2.0}, columns=(replace(PSNR, protocol="rgb"),))
    (section,) = group_records([a, b])
    assert [column.name for column in section.columns] == ["psnr_y-crop", "lpips"]
    assert not section.comparable(PSNR)
    assert not section.comparable(LPIPS)


def test_best_method_by_a_figure_where_lower_is_better():
    records = [make_record(name, {"x": value}, columns=(LPIPS,)) for name, value in (("A", 0.3), ("B", 0.1))]
    (section,) = group_records(records)
    assert section.best_record(LPIPS).method == "B"
