from dataclasses import replace

import pytest

from segsr_arch.evaluation.figures_and_report import write_pictures
from segsr_arch.evaluation.saved_evaluations import find_methods
from segsr_arch.results.record import Column, SetValue
from tests.evaluation.figures.records import a_cost, write_evaluation


def whole_set_alone(record):
    """The record of an evaluation by KID alone."""
    rows = tuple(replace(row, values={}) for row in record.images)
    values = {"kid": SetValue(value=0.1, std=None, n=len(rows))}
    return replace(record, columns=(Column(name="kid", metric="kid"),), images=rows, set_values=values)


@pytest.mark.parametrize(
    ("method", "options", "change"),
    [
        ("bicubic", {}, None),
        ("guided", {"units": 2, "with_lq": False}, None),
        ("network", {"cost": a_cost()}, whole_set_alone),
    ],
    ids=["bicubic alone", "LR images made on the fly", "a figure of the whole set alone"],
)
def test_what_cannot_be_drawn_of_these_records_is_not_missing(tmp_path, capsys, method, options, change):
    folder = write_evaluation(tmp_path, method, 1.0, **options)
    records = find_methods([tmp_path])
    records = [change(each) for each in records] if change else records
    assert write_pictures(records, [folder], out=tmp_path / "out") == 0
    assert "not drawn" not in capsys.readouterr().out and (tmp_path / "out/report.html").is_file()
    assert not (tmp_path / "out/figures").exists()


def test_what_can_be_drawn_is(tmp_path):
    folder = write_evaluation(tmp_path, "guided", 1.0, units=2, cost=a_cost())
    assert write_pictures(find_methods([tmp_path]), [folder], out=tmp_path / "out") == 0
    drawn = {path.stem for path in (tmp_path / "out/figures").iterdir()}
    assert drawn == {"compare_Set", "maps_guided_Set", "tradeoff_Set"}
