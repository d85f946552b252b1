"""Everything that can be wrong with a source: named with what was done, and a stop under strict."""

import cv2
import numpy as np
import pytest

from segsr_arch.errors import DataError
from segsr_arch.images import limits
from segsr_arch.images.conversion import Conversion
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.splits import published_lists
from tests.preparation.test_preparation import make_source, options
from tests.support import make_image, write_image


def broken(folder):
    path = write_image(folder / "a/broken.jpg", make_image(1))
    path.write_bytes(path.read_bytes()[:-200])
    return "a/broken.jpg"


def stray(folder):
    (folder / "a/readme.txt").write_text("hello")
    return "a/readme.txt"


def hidden(folder):
    (folder / "a/._a00.png").write_bytes(b"Mac OS X")
    return "a/._a00.png"


def same_name(folder):
    write_image(folder / "a/a00.jpg", make_image(2))
    return "a/a00.jpg"


def renamed(folder):
    write_image(folder / "a/new york.v2.png", make_image(3))
    return "a/new york.v2.png"


def small(folder):
    write_image(folder / "a/small.png", make_image(4, 31, 64))
    return "a/small.png"


def wide(folder):
    write_image(folder / "a/wide.tif", make_image(5).astype(np.uint16) * 100)
    return "a/wide.tif"


def opaque(folder):
    write_image(folder / "a/opaque.png", np.dstack([make_image(6), np.full((64, 64), 255, np.uint8)]))
    return "a/opaque.png"


def transparent(folder):
    write_image(folder / "a/transparent.png", make_image(7, channels=4))
    return "a/transparent.png"


def gray(folder):
    write_image(folder / "a/gray.png", make_image(8, channels=1))
    return "a/gray.png"


CASES = {
    broken: ("broken image", "left out", False),
    stray: ("stray file", "ignored", False),
    hidden: ("stray file", "ignored", False),
    same_name: ("two images with one name", "a/a00.png is called a/a00 too and stays; left out", False),
    renamed: ("name changed", "written as new_york_v2", True),
    small: ("smaller than the patch", "31 x 64 pixels, and train at x4 needs 32", False),
    wide: ("more than 8 bits", "--range LO HI", False),
    opaque: ("alpha channel", "dropped", True),
    transparent: ("alpha channel", "left out", False),
    gray: ("grayscale", "repeated", True),
}


@pytest.mark.parametrize("make_problem", CASES, ids=lambda case: case.__name__)
def test_each_problem_is_named_and_stops_a_strict_run(tmp_path, make_problem):
    source = make_source(tmp_path / "src")
    file = make_problem(source)
    kind, done, used = CASES[make_problem]
    outcome = prepare(options(source, tmp_path / "dst", val=0, test=0))
    assert [(problem.file, problem.kind.value) for problem in outcome.problems.items] == [(file, kind)]
    assert done in outcome.problems.items[0].done
    assert outcome.manifest["problems"] == [problem.as_record() for problem in outcome.problems.items]
    assert outcome.written == {4: 10 + used}
    with pytest.raises(DataError, match=file.replace(".", r"\.")):
        prepare(options(source, tmp_path / "strict", val=0, test=0, strict=True))
    assert not (tmp_path / "strict/manifest.json").exists()


def test_a_clean_source_passes_strict(tmp_path):
    outcome = prepare(options(make_source(tmp_path / "src"), tmp_path / "dst", strict=True))
    assert outcome.problems.items == []


def test_small_images_stay_in_val_and_test(tmp_path):
    source = make_source(tmp_path / "src", classes=("a",), count=6, size=28)
    outcome = prepare(options(source, tmp_path / "dst", val=2, test=2, scales=(2, 4)))
    # 28 to 33 rows of 28 columns: too narrow for a patch of 8 at x4, wide enough at x2.
    assert {split: counts["by_scale"] for split, counts in outcome.manifest["counts"].items()} == {
        "train": {"x2": 2, "x4": 0},
        "val": {"x2": 2, "x4": 2},
        "test": {"x2": 2, "x4": 2},
    }
    assert not list((tmp_path / "dst/train").glob("*_x4*"))


def test_one_file_name_in_two_classes_gets_the_class_in_front(tmp_path):
    for index, group in enumerate("ab"):
        write_image(tmp_path / f"src/{group}/1.png", make_image(index))
    outcome = prepare(options(tmp_path / "src", tmp_path / "dst", val=0, test=0))
    assert {entry["listed"]: entry["name"] for entry in outcome.manifest["images"]} == {"a/1": "a_1", "b/1": "b_1"}
    assert {problem.kind.value for problem in outcome.problems.items} == {"two images with one name"}


def test_names_that_cannot_be_told_apart_are_refused(tmp_path):
    write_image(tmp_path / "src/a.b.png", make_image(1))
    write_image(tmp_path / "src/a b.png", make_image(2))
    with pytest.raises(DataError, match=r"a\.b\.png.*rename one of them|a b\.png.*rename one of them"):
        prepare(options(tmp_path / "src", tmp_path / "dst"))


def test_16_bit_images_are_used_with_a_range(tmp_path):
    source = make_source(tmp_path / "src")
    image = make_image(5)
    write_image(source / "a/wide.tif", image.astype(np.uint16) * 100)
    prepare(options(source, tmp_path / "dst", val=0, test=0, conversion=Conversion(value_range=(0, 25500))))
    assert np.array_equal(cv2.imread(str(tmp_path / "dst/train/HR_x4/wide.png")), image)


@pytest.mark.parametrize("data_set", ["ucmerced", "aid", "folder"])
def test_an_empty_source_names_the_expected_layout(tmp_path, data_set):
    (tmp_path / "src").mkdir()
    with pytest.raises(DataError, match="src: no images found; expected .*(zip|folder)"):
        prepare(options(tmp_path / "src", tmp_path / "dst", data_set=data_set))
    with pytest.raises(DataError, match="nowhere: no such folder or archive"):
        prepare(options(tmp_path / "nowhere", tmp_path / "dst", data_set=data_set))


def test_a_source_without_any_listed_image_is_refused(tmp_path):
    source = make_source(tmp_path / "src")
    files = published_lists("ucmerced")
    with pytest.raises(DataError, match="none of the 2100 listed images, such as agricultural/agricultural01"):
        prepare(options(source, tmp_path / "dst", data_set="ucmerced", split_files=files))


def test_nothing_usable_is_an_error_that_names_the_images(tmp_path):
    write_image(tmp_path / "src/a.png", make_image(1, 8, 8))
    with pytest.raises(DataError, match=r"a\.png: 8 x 8 pixels"):
        prepare(options(tmp_path / "src", tmp_path / "dst", val=0, test=0))


def test_unlisted_images_are_named(tmp_path):
    source = make_source(tmp_path / "src")
    (tmp_path / "train.txt").write_text("a/a00\nb/b03\nb/b77\n")
    outcome = prepare(options(source, tmp_path / "dst", split_files={"train": tmp_path / "train.txt"}))
    assert outcome.written == {4: 2}
    assert outcome.missing == ["b/b77"]
    assert {problem.kind.value for problem in outcome.problems.items} == {"not on any split list"}
    assert len(outcome.problems.items) == 8


def test_an_image_that_memory_did_not_hold_is_prepared_once_it_does(tmp_path, monkeypatch):
    source = make_source(tmp_path / "src", classes=("a",))
    with monkeypatch.context() as little:
        little.setattr(limits, "_ALWAYS_THERE", 48 * 50 * 3)
        little.setattr(limits, "available_memory", lambda: 0)
        first = prepare(options(source, tmp_path / "dst", val=0, test=0))
    assert [problem.file for problem in first.problems.items] == ["a/a03.png", "a/a04.png"]
    assert first.written == {4: 3}
    second = prepare(options(source, tmp_path / "dst", val=0, test=0))
    assert second.problems.items == []
    assert second.written == {4: 2}


def test_a_source_of_links_to_nothing_alone_says_so(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/1.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"no images found; expected .* \(link or .*1\.png: a link to nothing"):
        prepare(options(tmp_path / "src", tmp_path / "dst"))
