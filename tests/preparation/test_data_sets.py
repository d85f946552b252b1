"""Data sets are entries: one more needs its file and nothing else."""

import importlib.util
import json

import pytest

from segsr_arch.cli import segsr
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.preparation import data_set
from segsr_arch.preparation.data_set import DataSet, SeededSplit, register
from segsr_arch.preparation.data_sets import DATA_SETS
from segsr_arch.preparation.splits import SPLITS, published_lists
from segsr_arch.sources.name_lists import read_split_list
from tests.support import ROOT, make_image, write_image

NEW = """
from segsr_arch.preparation.data_set import DataSet, SeededSplit, register

register(
    DataSet(
        name="toy",
        title="Toy Scenes",
        content="2 classes, 12 PNG images",
        archive="toy.zip",
        layout="<class>/NN.png",
        split=SeededSplit(val=1, test=0.5),
        resolution="1 m",
        page="https://example.org/toy",
        licence="CC0",
        paper="Nobody, On toys",
    )
)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A module that somebody has written for a data set of their own."""
    monkeypatch.setattr(data_set, "REGISTERED", REGISTERED := dict(DATA_SETS))
    monkeypatch.setattr("segsr_arch.cli.arguments.prepare.DATA_SETS", REGISTERED)
    (tmp_path / "toy.py").write_text(NEW)
    spec = importlib.util.spec_from_file_location("toy", tmp_path / "toy.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return REGISTERED["toy"]


def run(*arguments):
    return segsr.run(segsr.build_parser().parse_args(["prepare", *map(str, arguments)]))


def test_a_data_set_is_added_by_one_file(tmp_path, capsys, toy):
    for number in range(12):
        write_image(tmp_path / f"src/wrapped/{'ab'[number % 2]}/{number:02d}.png", make_image(number, 40, 40))
    write_image(tmp_path / "src/cover.png", make_image(99, 40, 40))
    (tmp_path / "src/wrapped/note.txt").write_text("beside the classes")
    assert run("toy", tmp_path / "src", tmp_path / "dst", "--patch", 8, "--jobs", 1) == 0
    manifest = json.loads((tmp_path / "dst/manifest.json").read_text())
    assert manifest["data_set"] == "toy"
    assert {split: counts["images"] for split, counts in manifest["counts"].items()} == {
        "train": 4,
        "val": 2,
        "test": 6,
    }
    assert {image["class"] for image in manifest["images"]} == {"a", "b"}
    assert "wrapped/note.txt: not an image in its place; ignored" in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no images found; expected toy\.zip or its folder, with <class>/NN\.png"):
        run("toy", tmp_path / "empty", tmp_path / "third")


def test_help_is_made_from_the_entry(capsys, toy):
    for arguments, words in (
        (["--help"], "toy Toy Scenes (2 classes, 12 PNG images)"),
        (["toy", "--help"], "SRC is toy.zip or its folder. Split: its folders train, val and test"),
        (["toy", "--help"], "in each class 50% for test, then 1 images for validation, by a seeded rule"),
        (["toy", "--help"], "a fraction if below 1 (default: 0.5)"),
        (["rsc11", "--help"], "without them, all images are for test."),
        (["rsc11", "--help"], "images a class for test, a fraction if below 1 (default: all)"),
        (["ucmerced", "--help"], "Split: the lists of this project, 1470 / 105 / 525 images."),
    ):
        with pytest.raises(SystemExit):
            run(*arguments)
        assert words in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("rsc11", ["RS_C11_Database/harbor/harbor_1.tif", "RS_C11_Database/roads/roads_1.tif"]),
        ("rsscn7", ["RSSCN7-master/aGrass/a001.jpg", "RSSCN7-master/gParking/g002.jpg", "RSSCN7-master/README.md"]),
        ("whu_rs19", ["WHU-RS19/Airport/airport_01.jpg", "WHU-RS19/footballField/footballField_01.jpg"]),
    ],
)
def test_data_sets_to_test_on_are_for_test_alone_unless_amounts_are_given(tmp_path, name, files):
    images = [tmp_path / "src" / file for file in files if not file.endswith(".md")]
    for number, path in enumerate(images):
        write_image(path, make_image(number, 40, 48))
    for file in files[len(images) :]:
        (tmp_path / "src" / file).write_text("of the data set")
    assert run(name, tmp_path / "src", tmp_path / "dst", "--scale", 8, "--jobs", 1) == 0
    manifest = json.loads((tmp_path / "dst/manifest.json").read_text())
    assert {split: counts["images"] for split, counts in manifest["counts"].items()} == {
        "train": 0,
        "val": 0,
        "test": 2,
    }
    assert [image["class"] for image in manifest["images"]] == sorted(path.parent.name for path in images)
    assert (tmp_path / "dst/test/HR_x8.lmdb").is_dir()
    assert run(name, tmp_path / "src", tmp_path / "split", "--scale", 8, "--test", 0, "--val", 1, "--jobs", 1) == 0
    manifest = json.loads((tmp_path / "split/manifest.json").read_text())
    assert manifest["counts"]["val"]["images"] == 2


def test_two_data_sets_of_one_name_are_refused(toy):
    changed = DataSet(name="toy", title="", content="", archive=None, layout="", split=SeededSplit(val=0))
    with pytest.raises(ConfigError, match="two data sets are called toy"):
        register(changed)
    assert register(toy) is toy, "a module that is imported again is no second data set"


@pytest.mark.parametrize("known", DATA_SETS.values(), ids=DATA_SETS)
def test_an_entry_is_complete(known):
    assert all((known.page.startswith("http"), known.licence, known.paper, known.resolution)) or known.archive is None
    if known.split is None:
        lists = published_lists(known.name)
        assert known.listed == tuple(len(read_split_list(lists[split])) for split in SPLITS)
    else:
        assert known.listed is None


def test_the_documentation_has_the_rows_that_entries_make():
    text = (ROOT / "datasets/README.md").read_text("utf-8")
    for known in DATA_SETS.values():
        assert f"segsr prepare {known.name} " in text
        assert known.archive is None or f"{known.origin}\n" in text
