from dataclasses import replace

import pytest

from segsr_arch.evaluation.report.report_tables import (
    cost_table,
    mean_table,
    pair_table,
    per_class_table,
    per_image_table,
)
from segsr_arch.evaluation.report.sections import group_records
from segsr_arch.results.record import SetValue
from tests.evaluation.report.small_runs import COST, LPIPS, PSNR, make_record


def section_of(*records):
    (section,) = group_records(records)
    return section


def texts(row):
    return [cell.text for cell in row]


def test_mean_table_has_interval_missing_images_and_marks_what_is_best_as_printed():
    a = make_record("A", {"x": 30.0, "y": 20.0, "z": {}})
    b = make_record("B", {"x": 30.0, "y": 20.002, "z": {}})
    c = make_record("C", {"x": 10.0, "y": 20.0, "z": 15.0})
    table = mean_table(section_of(a, b, c))
    assert [texts(row) for row in table.rows] == [["A", "3", "25.00"], ["B", "3", "25.00"], ["C", "3", "15.00"]]
    assert not any(row[2].best for row in table.rows)  # they are means of other images
    assert table.rows[0][2].detail == "[20.00, 30.00] 2 of 3 images"
    assert table.rows[1][2].value == pytest.approx(25.001)


def test_figures_of_the_whole_set_stand_beside_the_means():
    record = make_record("A", {"x": 30.0}, set_values={"kid": SetValue(value=0.01234, std=0.002, n=105)})
    table = mean_table(section_of(record, make_record("B", {"x": 1.0})))
    assert table.headers[-1] == "KID"
    assert (table.rows[0][-1].text, table.rows[0][-1].detail) == ("0.0123", "± 0.0020, 105 images")
    assert table.rows[1][-1].value is None


def test_class_table_has_a_column_a_method_and_the_mean_last():
    a = make_record("A", {"beach01": 30.0, "beach02": 20.0, "river01": 10.0})
    b = make_record("B", {"beach01": 31.0, "beach02": 23.0, "river01": {}})
    table = per_class_table(section_of(a, b), PSNR)
    assert table.headers == ("Class", "Images", "A", "B")
    assert [texts(row) for row in table.rows] == [["beach", "2", "25.00", "27.00"], ["river", "1", "10.00", "–"]]
    assert texts(table.foot[0]) == ["all images", "3", "20.00", "27.00"]
    assert table.foot[0][3].detail == "2 of 3 images" and not any(cell.best for cell in table.foot[0])
    assert [cell.best for cell in table.rows[0]] == [False, False, False, True]
    assert table.holds_text == (True, False, False, False)


def test_the_best_as_printed_is_marked_where_all_means_are_of_the_same_images():
    a, b, c = (make_record(name, {"x": 30.0, "y": y, "z": {}}) for name, y in (("A", 20), ("B", 20.002), ("C", 15)))
    assert [row[2].best for row in mean_table(section_of(a, b, c)).rows] == [True, True, False]


def test_a_method_without_values_of_its_worst_images_is_neither_first_nor_marked():
    whole = make_record("whole", {"beach1": 30.0, "beach2": 28.0, "river1": 10.0})
    gaps = make_record("gaps", {"beach1": 29.0, "beach2": {}, "river1": {}})
    section = section_of(whole, gaps)
    assert section.best_record(PSNR).method == "whole"
    beach, river = per_class_table(section, PSNR).rows
    assert not any(cell.best for row in (*mean_table(section).rows, beach, river) for cell in row)
    assert beach[3].detail == "1 of 2 images"
    table, _ = pair_table(section, PSNR)
    assert texts(table.rows[0])[0] == "whole − gaps" and table.rows[0][1].value == 1.0
    marks = [[cell.best for cell in row[2:]] for row in per_image_table(section, PSNR).rows]
    assert marks[0] == [True, False]


def test_no_class_table_without_classes():
    assert per_class_table(section_of(make_record("A", {"x": 1.0})), PSNR) is None


def test_image_table_marks_the_lowest_where_lower_is_better():
    a, b = (make_record(name, {"river1": value}, columns=(LPIPS,)) for name, value in (("A", 0.2), ("B", 0.1)))
    table = per_image_table(section_of(a, b), LPIPS)
    assert texts(table.rows[0]) == ["river1", "river", "0.2000", "0.1000"]
    assert [cell.best for cell in table.rows[0]] == [False, False, False, True]


def test_nothing_is_marked_best_where_images_differ():
    section = section_of(make_record("A", {"x": 1.0, "y": 2.0}), make_record("B", {"x": 3.0, "z": 2.0}))
    cells = [
        cell for table in (mean_table(section), per_image_table(section, PSNR)) for row in table.rows for cell in row
    ]
    assert not any(cell.best for cell in cells)


def test_pairs_have_the_better_method_first_with_shares():
    a = make_record("A", {"w": 1.0, "x": 2.0, "y": 3.0, "z": 4.0})
    b = make_record("B", {"w": 3.0, "x": 4.0, "y": 3.0, "z": 3.0})
    table, reasons = pair_table(section_of(a, b), PSNR)
    assert reasons == []
    assert texts(table.rows[0])[:1] + texts(table.rows[0])[2:] == ["B − A", "50.0 %", "25.0 %", "25.0 %", "4"]
    assert table.rows[0][1].text == "0.750"
    assert table.rows[0][1].detail.endswith("contains 0")


def test_a_figure_that_was_computed_differently_is_not_compared_and_the_reason_is_given():
    a = make_record("A", {"x": 2.0})
    b = make_record("B", {"x": 1.0}, columns=(replace(PSNR, protocol="rgb"),))
    table, reasons = pair_table(section_of(a, b), PSNR)
    assert table is None
    assert "A and B" in reasons[0] or "A: " in reasons[0]


def test_different_images_are_the_sections_reason_and_not_repeated_for_every_figure():
    section = section_of(make_record("A", {"x": 1.0}), make_record("B", {"y": 2.0}))
    assert pair_table(section, PSNR) == (None, [])
    assert len(section.obstacles) == 1


def test_cost_table():
    section = section_of(make_record("A", {"x": 1.0}, cost=COST), make_record("B", {"x": 1.0}))
    table = cost_table([section])
    assert texts(table.rows[0]) == ["A", "Small, x4", "3.03", "1.03", "–", "208.0", "64 × 64", "cpu"]
    assert len(table.rows) == 1
    assert cost_table([section_of(make_record("B", {"x": 1.0}))]) is None
