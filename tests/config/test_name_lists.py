"""Lists of images in option files, and names that cannot be told apart."""

import unicodedata

import pytest

from segsr_arch.config import check_options
from tests.config.paired_options import changed, good_test, good_train
from tests.config.test_check import problems
from tests.support import make_image, write_image


def check(opt, *, is_train=True):
    return check_options(opt, is_train=is_train, source="some.yml")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_of_names_are_read_in_any_encoding(tmp_path, encoding):
    opt = changed(good_train(tmp_path), "datasets:train:meta_info_file", str(tmp_path / "names.txt"))
    (tmp_path / "names.txt").write_bytes("00.png (16,16,3)\r\n01.png (16,16,3)\r\n\r\n".encode(encoding))
    assert check(opt) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (["names.txt"], "expected text, got ['names.txt']"),
        (3, "expected text, got 3"),
        ("HR", "HR is a folder, expected a file"),
        ("gone.txt", "gone.txt does not exist"),
        ("latin.txt", "latin.txt: cannot be read as a list of images: neither UTF-8 nor UTF-16"),
        ("empty.txt", "empty.txt names no image"),
    ],
)
@pytest.mark.parametrize("kind", ["PairedImageDataset", "RealESRGANPairedDataset"])
def test_what_is_no_list_is_named_by_key(tmp_path, monkeypatch, value, words, kind):
    monkeypatch.chdir(tmp_path)
    opt = changed(good_train(tmp_path), "datasets:train:type", kind)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9.png\n")
    (tmp_path / "empty.txt").write_bytes(b"\n")
    key = f"datasets:train:{'meta_info_file' if kind == 'PairedImageDataset' else 'meta_info'}"
    (line,) = problems(changed(opt, key, value))
    assert f"{key}: {words}" in line


def test_a_list_of_pairs_must_name_pairs_that_are_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opt = changed(good_train(tmp_path), "datasets:train:type", "RealESRGANPairedDataset")
    opt = changed(opt, "datasets:train:meta_info", "pairs.txt")
    (tmp_path / "pairs.txt").write_text("00.png, 01.png\n02.png\n")
    assert "meta_info: each line must be `HR.png, LR.png`; 1 are not, first: '02.png'" in problems(opt)[0]
    (tmp_path / "pairs.txt").write_text("00.png, 01.png\n02.png, 99.png\n")
    (line,) = problems(opt)
    assert "dataroot_lq: 1 files that pairs.txt names are not in" in line and "first: 99.png" in line
    (tmp_path / "pairs.txt").write_text("00.png, 01.png\n02.png, 03.png\n")
    assert check(opt) == []
    write_image(tmp_path / "LR/03.png", make_image(3, 9, 8))
    line = problems(opt)[0]  # that of the validation set is told, too
    assert "1 of 2 are not: 02.png is 16x16, its LR image 8x9" in line


@pytest.mark.parametrize(
    "template", [["{}"], 3, None, "", "x2", "{", "}", "{}{}", "{0}", "{name}", "{:>9}", "{!r}", "{.a}"]
)
@pytest.mark.parametrize("listed", [False, True])
def test_templates_of_other_kinds_are_named(tmp_path, template, listed):
    opt = changed(good_train(tmp_path), "datasets:train:filename_tmpl", template)
    if listed:
        (tmp_path / "names.txt").write_text("00.png\n01.png\n")
        opt = changed(opt, "datasets:train:meta_info_file", str(tmp_path / "names.txt"))
    lines = problems(opt)
    assert lines and all("datasets:train:filename_tmpl: " in line for line in lines)
    assert "must contain {} once" in lines[-1]


def test_names_match_composed_and_a_message_shows_what_differs(tmp_path):
    opt = good_train(tmp_path)
    other = unicodedata.normalize("NFD", "forêt")
    write_image(tmp_path / "HR/forêt.png", make_image(0, 16, 16))
    write_image(tmp_path / f"LR/{other}.png", make_image(0, 8, 8))
    assert check(opt) == []
    (tmp_path / "names.txt").write_text(f"{other}.png\n00.png\n")
    assert check(changed(opt, "datasets:train:meta_info_file", str(tmp_path / "names.txt"))) == []
    (tmp_path / f"LR/{other}.png").rename(tmp_path / "LR/fоrêt.png")
    line = problems(opt)[0]
    assert "no LR image for forêt.png; the nearest is fоrêt.png: character 2 is o (U+006F" in line


def test_images_that_differ_in_their_endings_alone_are_no_set_to_test_on(tmp_path):
    opt = good_test(tmp_path)
    for folder, side in (("HR", 16), ("LR", 8)):
        write_image(tmp_path / folder / "00.tif", make_image(3, side, side))
    lines = problems(opt, is_train=False)
    assert len(lines) == 2 and all("these would be one: 00.png and 00.tif; rename" in line for line in lines)


def test_images_of_one_name_in_several_folders_are_said(tmp_path):
    opt = good_test(tmp_path)
    for name, side in (("HR/a/1", 16), ("HR/b/1", 16), ("LR/1", 8)):
        write_image(tmp_path / f"{name}.png", make_image(3, side, side))
    (tmp_path / "names.txt").write_text("a/1.png\nb/1.png\n")
    opt = changed(opt, "datasets:test_1:meta_info_file", str(tmp_path / "names.txt"))
    assert any("and these become one: a/1.png and b/1.png" in line for line in check(opt, is_train=False))


def test_folders_in_a_data_root_are_said(tmp_path):
    opt = good_train(tmp_path)
    write_image(tmp_path / "store/a.png", make_image(0, 16, 16))
    (tmp_path / "HR/linked").symlink_to(tmp_path / "store", target_is_directory=True)
    said = f"{tmp_path / 'HR'} holds folders with images, which BasicSR does not read: linked"
    assert check(opt) == [f"datasets:{phase}:dataroot_gt: {said}" for phase in ("train", "val")]
    (tmp_path / "all").mkdir()
    (tmp_path / "all/linked").symlink_to(tmp_path / "store", target_is_directory=True)
    line = problems(changed(opt, "datasets:train:dataroot_gt", str(tmp_path / "all")))[0]
    assert "all holds no images itself, only its folders linked, which BasicSR does not read" in line
