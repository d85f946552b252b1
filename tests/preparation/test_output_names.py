"""Names of prepared images: letters stay, and different images get different ones."""

import unicodedata

import pytest

from segsr_arch.errors import DataError
from segsr_arch.preparation.output_names import output_names
from segsr_arch.preparation.problems import ProblemList
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.source_images import describe_image
from tests.preparation.test_preparation import options, stock_dataset
from tests.support import make_image, write_image


def named(*paths):
    problems = ProblemList(strict=False)
    names = output_names([describe_image(path, 0) for path in paths], problems)
    return [names[path] for path in paths], [problem.done for problem in problems.items]


@pytest.mark.parametrize("name", ["海滩_1", "пляж-2", "forêt", "क्षेत्र3", "Strand_7"])
def test_letters_of_any_script_stay(name):
    assert named(f"a/{name}.png") == ([name], [])
    assert named(f"a/{unicodedata.normalize('NFD', name)}.png")[0] == [unicodedata.normalize("NFC", name)]


def test_what_is_neither_letter_nor_digit_becomes_an_underscore_and_it_is_said():
    names, notes = named("a/new york.v2.png", "a/a\x1b[2J.png")
    assert names == ["new_york_v2", "a__2J"]
    assert notes == [f"written as {name}, which BasicSR can read as a key" for name in names]


def test_names_that_differ_in_case_alone_are_told_apart():
    names, notes = named("a/A1.png", "a/a1.png", "a/b.png")
    assert len({name.casefold() for name in names}) == 3 and names[2] == "b"
    assert names[0].startswith("A1-") and names[1].startswith("a1-")
    assert all("differs in upper and lower case alone" in note for note in notes) and len(notes) == 2


def test_one_name_in_several_classes_gets_the_class_in_front():
    assert named("海滩/1.png", "森林/1.png")[0] == ["海滩_1", "森林_1"]


def test_all_pairs_that_cannot_be_told_apart_are_named_at_once():
    with pytest.raises(DataError) as caught:
        named("a.b.png", "a b.png", "c.d.png", "c d.png")
    assert "a.b.png and a b.png as a_b; c.d.png and c d.png as c_d: rename" in str(caught.value)


def test_long_names_are_cut_and_stay_different():
    names, notes = named(*(f"{'海' * 70}/{'滩' * 200}{number}.png" for number in range(2)))
    assert len(set(names)) == 2 and all(len(name.encode()) <= 180 for name in names) and len(notes) == 2


def test_prepared_images_of_any_name_train_from_folder_and_lmdb(tmp_path):
    names = ["海滩/海滩_1", "海滩/海滩_2", "forêt/" + unicodedata.normalize("NFD", "forêt_1"), "#x/#1"]
    for index, name in enumerate(names):
        write_image(tmp_path / f"src/{name}.png", make_image(index, 64, 64))
    outcome = prepare(options(tmp_path / "src", tmp_path / "dst", val=0, test=0))
    assert outcome.written == {4: 4}
    for backend in ("disk", "lmdb"):
        dataset = stock_dataset(tmp_path / "dst", "train", 4, backend)
        assert len(dataset) == 4 and all(dataset[index]["lq"].shape == (3, 8, 8) for index in range(4))
    again = options(tmp_path / "src", tmp_path / "other", split_files={"train": tmp_path / "dst/splits/train.txt"})
    assert prepare(again).written == {4: 4}
