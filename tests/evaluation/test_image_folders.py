import os
import sys
import unicodedata

import cv2
import pytest

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.image_folders import ImageFolder, match_folders, scale_of
from tests.config.paired_options import make_lmdb
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


def test_lr_images_of_the_size_of_the_sr_images_have_no_scale(tmp_path):
    sr, lq = (folder(tmp_path / side, "a1") for side in ("sr", "lq"))
    with pytest.raises(ConfigError, match="no LR image is smaller than its SR image .*lq/a1.png.*or --scale 1"):
        scale_of([match_folders(sr, lq=lq)])
    write_image(tmp_path / "sr/a2.png", make_image(0, 32, 32))
    write_image(tmp_path / "lq/a2.png", make_image(0, 16, 16))
    both = [ImageFolder.open(tmp_path / side, "--gt") for side in ("sr", "lq")]
    assert scale_of([match_folders(both[0], lq=both[1])]) == 2


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
    with pytest.raises(DataError, match="--gt .*bad.lmdb/meta_info.txt: cannot be read as the list of an LMDB"):
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


def test_keys_of_an_lmdb_may_hold_spaces_and_other_letters_and_foreign_lines_are_named(tmp_path):
    make_lmdb(tmp_path / "gt.lmdb", {"bare land 1": (32, 32), "b.c": (32, 32), "海滩": (32, 32)})
    assert set(ImageFolder.open(tmp_path / "gt.lmdb", "--gt").images) == {"bare land 1", "b.c", "海滩"}
    (tmp_path / "gt.lmdb/meta_info.txt").write_text("forest1.png\n")
    with pytest.raises(DataError, match=r"--gt .*meta_info.txt, line 1: expected `name.png .*got 'forest1.png'"):
        ImageFolder.open(tmp_path / "gt.lmdb", "--gt")


@pytest.mark.parametrize("key", ["/etc/passwd", "../../x", "a/../../x", "a\\b", "a\x1b[2Jb", "x" * 300])
def test_keys_that_are_paths_are_refused(tmp_path, key):
    make_lmdb(tmp_path / "gt.lmdb", {key: (32, 32)})
    with pytest.raises(DataError, match=r"gt.lmdb/meta_info.txt, line 1: the key '.*; prepare the LMDB anew"):
        ImageFolder.open(tmp_path / "gt.lmdb", "--gt")


def test_an_lmdb_that_was_copied_in_part_is_refused(tmp_path):
    make_lmdb(tmp_path / "gt.lmdb", {"a1": (32, 32)})
    data = tmp_path / "gt.lmdb/data.mdb"
    os.truncate(data, data.stat().st_size - 1)
    with pytest.raises(DataError, match=r"--gt .*data.mdb: has \d+ bytes, but its pages take \d+: .*copy it again"):
        ImageFolder.open(tmp_path / "gt.lmdb", "--gt")


def test_linked_folders_are_classes_and_loops_get_a_line(tmp_path):
    folder(tmp_path / "store", "river/river1", "forest/forest1")
    folder(tmp_path / "gt", "forest/forest1")
    (tmp_path / "gt/river").symlink_to(tmp_path / "store/river", target_is_directory=True)
    (tmp_path / "gt/forest/back").symlink_to(tmp_path / "gt", target_is_directory=True)
    gt = ImageFolder.open(tmp_path / "gt", "--gt")
    assert sorted(gt.images) == ["forest/forest1", "river/river1"] and gt.empty_folders == ()
    found = match_folders(ImageFolder.open(tmp_path / "store", "--sr"), gt)
    assert [match.class_name for match in found.matches] == ["forest", "river"]
    assert found.problems == (f"{tmp_path}/gt/forest/back: a link back to a folder above it; not followed",)


def test_names_match_composed_and_a_message_shows_what_differs(tmp_path):
    decomposed = unicodedata.normalize("NFD", "forêt1")
    found = match_folders(folder(tmp_path / "sr", decomposed), folder(tmp_path / "gt", "forêt1"))
    assert [match.name for match in found.matches] == ["forêt1"]
    assert found.matches[0].sr.read().shape == (16, 16, 3)
    write_image(tmp_path / f"gt/{decomposed}.png", make_image(0, 16, 16))
    with pytest.raises(DataError, match=r"two images are called forêt1 \(character 4 is .*U\+0[0E].*remove one"):
        ImageFolder.open(tmp_path / "gt", "--gt")
    found = match_folders(folder(tmp_path / "lq", "plаge_1", "a1"), folder(tmp_path / "hq", "plage_1", "a1"))
    assert "plage_1: no SR image" in found.problems[0] and "(U+0430 CYRILLIC SMALL LETTER A)" in found.problems[0]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not have such names")
def test_names_that_are_not_utf8_are_refused_at_once(tmp_path):
    folder(tmp_path / "gt", "a1")
    os.rename(tmp_path / "gt/a1.png", os.fsencode(tmp_path / "gt") + b"/caf\xe9.png")
    with pytest.raises(DataError, match=r"'caf\\udce9' is not UTF-8; rename it"):
        ImageFolder.open(tmp_path / "gt", "--gt")
