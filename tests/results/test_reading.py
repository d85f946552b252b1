"""Evaluations that are not as they were written: a sentence that names the file, and never anything else."""

import copy
import json
import os
from dataclasses import replace

import pytest

from segsr_arch.cli.segsr import main
from segsr_arch.errors import DataError
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import Cost, ImageRow, SetValue
from segsr_arch.results.references import ImageReference
from segsr_arch.results.spread import Spread
from segsr_arch.results.writing import write_record
from tests.results.made import PSNR, make_record

SPREAD = Spread(values={PSNR.name: 0.25}, map=ImageReference(path="spread/a1.npz"), correlation=0.5, coverage=0.7)
COST = Cost(parameters=5, trainable=3, macs=None, seconds=0.25, lr_size=(4, 6), device="CPU")


@pytest.fixture
def folder(tmp_path):
    record = make_record(
        psnr={},
        cost=COST,
        set_values={"kid": SetValue(value=-0.5, std=None, n=2)},
        problems=("a line",),
        options="a: 1",
        samples=8,
    )
    first, second = (
        ImageRow(name=name, class_name="a", values={PSNR.name: value}, sr=ImageReference(path=f"{name}.png"))
        for name, value in (("a1", 30.0), ("a2", float("inf")))
    )
    rows = (replace(first, spread=SPREAD), second)
    write_record(tmp_path / "run", replace(record, images=rows))
    return tmp_path / "run"


def refused(folder):
    with pytest.raises(DataError) as caught:
        read_record(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600
    return str(caught.value)


def change(path, keys, value):
    """Set an entry of a JSON file; ``None`` as value leaves it out."""
    content = json.loads(path.read_text())
    place = content
    for key in keys[:-1]:
        place = place[key]
    if value is Ellipsis:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    path.write_text(json.dumps(content))


def test_what_was_written_is_read(folder):
    record = read_record(folder)
    assert record.values(PSNR.name) == {"a1": 30.0, "a2": float("inf")}
    assert record.cost == COST and record.set_values["kid"].value == -0.5 and record.options == "a: 1"
    assert record.problems == ("a line",) and record.columns == (PSNR,)
    place = ImageReference(path=os.path.abspath("spread/a1.npz"))
    assert record.samples == 8 and record.spreads == {PSNR.name: 0.25} and record.images[1].spread is None
    assert record.images[0].spread == replace(SPREAD, map=place)


def test_evaluations_of_earlier_versions_had_one_sample(folder):
    change(folder / "evaluation.json", ["samples"], ...)
    change(folder / "images.json", [0, "spread"], ...)
    record = read_record(folder)
    assert record.samples == 1 and record.spreads == {} and record.images[0].spread is None


def test_validations_of_earlier_versions_are_read_with_the_names_of_columns_of_today(folder):
    for name in ("evaluation.json", "images.json"):
        path = folder / name
        path.write_text(path.read_text().replace('"psnr_y-crop"', '"psnr"'))
    record = read_record(folder)
    assert record.column_names == ["psnr_y-crop"]
    assert record.values("psnr_y-crop") == {"a1": 30.0, "a2": float("inf")}
    assert record.stds("psnr_y-crop") == {"a1": 0.25}


CHANGES = [
    ("evaluation.json", ["method"], ..., "evaluation.json: is not what segsr evaluate writes (method is missing)"),
    ("evaluation.json", ["method"], ["x"], "(method: expected text, found ['x'])"),
    ("evaluation.json", ["scale"], "4", "(scale: expected a whole number, found '4')"),
    ("evaluation.json", ["scale"], True, "(scale: expected a whole number, found True)"),
    ("evaluation.json", ["samples"], 0, "(samples: expected at least 1, found 0)"),
    ("evaluation.json", ["format"], 2, "(it is no evaluation of format 1)"),
    ("evaluation.json", ["columns", 0, "better"], "best", "(columns: entry 1: better: expected higher or lower"),
    ("evaluation.json", ["columns", 0, "name"], ..., "(columns: entry 1: name is missing)"),
    ("evaluation.json", ["columns"], {}, "(columns: expected a list, found {})"),
    ("evaluation.json", ["cost", "lr_size"], [1], "(cost: lr_size: expected height and width, found (1,))"),
    ("evaluation.json", ["cost"], [], "(cost: expected names and values, found [])"),
    ("evaluation.json", ["set_values", "kid", "value"], "much", "(set_values: kid: value: expected a number"),
    ("evaluation.json", ["problems"], "none", "(problems: expected a list, found 'none')"),
    ("evaluation.json", ["provenance"], None, "(provenance: expected names and values, found None)"),
    (
        "images.json",
        [0, "values", PSNR.name],
        "nan",
        "images.json: is not what segsr evaluate writes (entry 1: values: ",
    ),
    ("images.json", [1, "values", PSNR.name], float("nan"), "images.json: is no JSON (it holds NaN)"),
    ("images.json", [1, "values", PSNR.name], 10**400, "expected a number, found 1000"),
    ("images.json", [1, "values", "lpips"], 0.5, "(entry 2: values: lpips is no column of evaluation.json)"),
    ("images.json", [0, "spread", "coverage"], "all", "(entry 1: spread: coverage: expected a number, found 'all')"),
    ("images.json", [0, "spread", "values", "lpips"], 0.5, "(entry 1: spread: values: lpips is no column of "),
    ("images.json", [1, "name"], "a1", "('a1' is there twice)"),
    ("images.json", [0, "sr"], 5, "(entry 1: sr: expected text, found 5)"),
    ("images.json", [0, "gt_digest"], ..., "(entry 1: gt_digest is missing)"),
    ("images.json", [0], "a1", "(entry 1: expected names and values, found 'a1')"),
]


@pytest.mark.parametrize(("file", "keys", "value", "said"), CHANGES)
def test_an_entry_that_was_changed_is_named(folder, file, keys, value, said):
    change(folder / file, keys, value)
    message = refused(folder)
    assert message.startswith(str(folder / file)) and said in message and "segsr evaluate" in message


@pytest.mark.parametrize("file", ["evaluation.json", "images.json"])
def test_files_that_are_cut_short_gone_or_something_else(folder, file):
    path = folder / file
    text = path.read_text()
    for keep in (*range(0, len(text) - 2, 17), len(text) - 3):
        path.write_text(text[:keep])
        assert refused(folder).startswith(f"{path}: is no JSON")
    for other in ("[" * 100_000, '{"a": 1}', "[]", "3", '"text"', "null", "[null]"):
        path.write_text(other)
        if (file, other) != ("images.json", "[]"):  # an evaluation of no images
            assert refused(folder).startswith(str(path))
    path.write_bytes(b"\xff\xfe\x00")
    assert refused(folder).startswith(f"{path}: is no JSON")
    path.unlink()
    assert refused(folder).startswith(f"{path}: cannot be read (No such file")


def places_of(content, path=()):
    """Every place of a JSON document."""
    yield path
    if isinstance(content, (dict, list)):
        for key in content if isinstance(content, dict) else range(len(content)):
            yield from places_of(content[key], (*path, key))


@pytest.mark.parametrize("file", ["evaluation.json", "images.json"])
def test_whatever_stands_at_any_place_it_is_read_or_named(folder, file):
    original = json.loads((folder / file).read_text())
    for keys in places_of(original):
        for value in (None, 3, -1.5, "text", [], {}, [1], {"a": 1}, True):
            content = copy.deepcopy(original)
            place = content
            for key in keys[:-1]:
                place = place[key]
            if keys:
                place[keys[-1]] = value
            (folder / file).write_text(json.dumps(content if keys else value))
            try:
                record = read_record(folder)
            except DataError as error:
                assert str(error).startswith(f"{folder}/") and "is not what segsr evaluate writes" in str(error)
            else:
                assert record.summary is not None and record.class_summary is not None


@pytest.mark.parametrize(
    "command",
    [["compare"], ["report"], ["figure", "compare"], ["figure", "maps"], ["figure", "curves"], ["figure", "tradeoff"]],
    ids=" ".join,
)
def test_commands_end_with_the_sentence(folder, command, capsys, monkeypatch):
    monkeypatch.chdir(folder.parent)
    before = sorted(folder.parent.rglob("*"))
    change(folder / "evaluation.json", ["columns", 0, "name"], 7)
    assert main([*command, str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert f"{folder / 'evaluation.json'}: is not what segsr evaluate writes (columns: entry 1: name: expected" in error
    assert sorted(folder.parent.rglob("*")) == before
