import os
import sys

import cv2
import pytest

from segsr_arch.errors import DataError
from segsr_arch.evaluation.image_folders import ImageFolder, match_folders
from tests.support import make_image, write_image


def folder(root, *names):
    for name in names:
        write_image(root / f"{name}.png", make_image(0, 16, 16))
    return ImageFolder.open(root, "--gt")


def names(matching):
    return [(match.name, match.sr.path.rsplit("/", 1)[-1]) for match in matching.matches]


def test_equal_names_in_folders_of_classes(tmp_path):
    gt, sr = (folder(tmp_path / side, "forest/a1", "river/a1") for side in ("gt", "sr"))
    found = match_folders(sr, gt)
    assert [(match.name, match.class_name) for match in found.matches] == [
        ("forest/a1", "forest"),
        ("river/a1", "river"),
    ]
    assert found.problems == () and found.notes == ()


def test_flat_images_match_those_in_folders_and_the_note_says_so(tmp_path):
    found = match_folders(folder(tmp_path / "sr", "forest1"), folder(tmp_path / "gt", "forest/forest1"))
    assert names(found) == [("forest/forest1", "forest1.png")]
    assert "without their folders" in found.notes[0]


@pytest.mark.parametrize("ending", ["_HAT", "x4", "-ours_x4"])
def test_one_ending_more_is_found_even_where_names_begin_alike(tmp_path, ending):
    gt = folder(tmp_path / "gt", "forest1", "forest10", "forest2")
    found = match_folders(folder(tmp_path / "sr", *(f"forest{number}{ending}" for number in (1, 10, 2))), gt)
    assert names(found) == [(f"forest{number}", f"forest{number}{ending}.png") for number in (1, 10, 2)]
    assert repr(ending) in found.notes[0]


def test_every_missing_partner_gets_a_line(tmp_path):
    gt, sr = folder(tmp_path / "gt", "a1", "a2", "a3"), folder(tmp_path / "sr", "a1", "a2", "b1")
    found = match_folders(sr, gt, folder(tmp_path / "lq", "a1", "a3"))
    assert [match.name for match in found.matches] == ["a1", "a2"]
    assert [match.lq is None for match in found.matches] == [False, True]
    assert [line.split(" in ")[0] for line in found.problems] == [
        "a3: no SR image",
        "b1: SR image",
        "a2: no LR image",
    ]


def test_an_empty_class_gets_a_line(tmp_path):
    sr = folder(tmp_path / "sr", "forest/a1")
    (tmp_path / "gt/river").mkdir(parents=True)
    found = match_folders(sr, folder(tmp_path / "gt", "forest/a1"))
    assert found.problems == (f"{tmp_path}/gt/river: the class has no image",)


def test_without_ground_truth_lr_images_give_the_names(tmp_path):
    found = match_folders(folder(tmp_path / "sr", "a1"), None, folder(tmp_path / "lq", "a1", "a2"))
    (match,) = found.matches
    assert match.gt is None and match.lq is not None
    assert found.problems[0].startswith("a2: no SR image")


def test_folders_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(DataError, match="--gt .*/none: no such folder"):
        ImageFolder.open(tmp_path / "none", "--gt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="--gt .*/empty: holds no image"):
        ImageFolder.open(tmp_path / "empty", "--gt")
    (tmp_path / "bad.lmdb").mkdir()
    with pytest.raises(DataError, match="bad.lmdb: has no readable meta_info.txt"):
        ImageFolder.open(tmp_path / "bad.lmdb", "--gt")
    folder(tmp_path / "two", "a1")
    write_image(tmp_path / "two/a1.tif", make_image(0, 16, 16))
    with pytest.raises(DataError, match="two images are called a1"):
        ImageFolder.open(tmp_path / "two", "--gt")
    with pytest.raises(DataError, match="no image has the name of one in .*gt"):
        match_folders(folder(tmp_path / "sr", "a1"), folder(tmp_path / "gt", "b1"))


def test_an_lmdb_is_a_folder_of_images(tmp_path):
    from basicsr.utils.lmdb_util import LmdbMaker

    maker = LmdbMaker(str(tmp_path / "gt.lmdb"))
    image = make_image(0, 16, 16)
    maker.put(cv2.imencode(".png", image)[1].tobytes(), "a1", image.shape)
    maker.close()
    found = match_folders(folder(tmp_path / "sr", "a1"), ImageFolder.open(tmp_path / "gt.lmdb", "--gt"))
    assert (found.matches[0].gt.read() == image).all()


def test_keys_of_an_lmdb_may_hold_spaces_and_foreign_lines_are_named(tmp_path):
    (tmp_path / "gt.lmdb").mkdir()
    listing = tmp_path / "gt.lmdb/meta_info.txt"
    listing.write_text("bare land 1.png (32,32,3) 1\nb.c.png (32,32,3) 1\n")
    assert set(ImageFolder.open(tmp_path / "gt.lmdb", "--gt").images) == {"bare land 1", "b.c"}
    listing.write_text("forest1.png\n")
    with pytest.raises(DataError, match="a line that is none of BasicSR's: 'forest1.png'"):
        ImageFolder.open(tmp_path / "gt.lmdb", "--gt")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not have such names")
def test_names_that_are_not_utf8_are_refused_at_once(tmp_path):
    folder(tmp_path / "gt", "a1")
    os.rename(tmp_path / "gt/a1.png", os.fsencode(tmp_path / "gt") + b"/caf\xe9.png")
    with pytest.raises(DataError, match=r"'caf\\udce9' is not UTF-8; rename it"):
        ImageFolder.open(tmp_path / "gt", "--gt")
