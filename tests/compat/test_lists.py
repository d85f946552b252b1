"""Stock data sets, on lists and folders as people have them."""

import os
import unicodedata

import pytest
from basicsr.data import data_util
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.realesrgan_paired_dataset import RealESRGANPairedDataset
from basicsr.data.single_image_dataset import SingleImageDataset
from basicsr.utils import FileClient, scandir

from segsr_arch.errors import DataError
from tests.compat.helpers import make_lmdb, make_pairs, paired_options
from tests.support import make_image, write_image

ENCODINGS = ["utf-8-sig", "utf-16"]


def write_list(path, lines, encoding):
    path.write_bytes("".join(f"{line}\r\n" for line in [*lines, ""]).encode(encoding))
    return str(path)


def names(dataset, key="gt_path"):
    return [os.path.basename(path[key] if isinstance(path, dict) else path) for path in dataset.paths]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_lists_of_names_are_read_as_they_are_meant(tmp_path, encoding):
    gt, lq = make_pairs(tmp_path, 3)
    listed = write_list(tmp_path / "info.txt", ["0.png (32,32,3)", "2.png (32,32,3)"], encoding)
    dataset = PairedImageDataset(paired_options(gt, lq, meta_info_file=listed))
    assert names(dataset) == names(dataset, "lq_path") == ["0.png", "2.png"]
    assert dataset[1]["gt"].shape == (3, 16, 16)
    single = SingleImageDataset({"dataroot_lq": str(lq), "io_backend": {"type": "disk"}, "meta_info_file": listed})
    assert names(single) == ["0.png", "2.png"]
    pairs = write_list(tmp_path / "pairs.txt", ["0.png, 0.png", "1.png, 2.png"], encoding)
    dataset = RealESRGANPairedDataset(paired_options(gt, lq, meta_info=pairs))
    assert names(dataset, "lq_path") == ["0.png", "2.png"]


def test_a_list_that_is_no_text_is_named(tmp_path):
    gt, lq = make_pairs(tmp_path, 1)
    (tmp_path / "info.txt").write_bytes(b"caf\xe9.png\n")
    with pytest.raises(DataError, match=r"info\.txt: cannot be read as a list of images: neither UTF-8 nor UTF-16"):
        PairedImageDataset(paired_options(gt, lq, meta_info_file=str(tmp_path / "info.txt")))


def test_keys_with_any_letters_are_found_and_lists_are_read_in_any_encoding(tmp_path):
    images = tmp_path / "images"
    for index, name in enumerate(("海滩_1", "forêt.v2")):
        write_image(images / f"{name}.png", make_image(index, 32, 32))
    folders = [make_lmdb(images, tmp_path / f"{side}.lmdb") for side in ("gt", "lq")]
    for folder in folders:
        text = (folder / "meta_info.txt").read_text("utf-8")
        (folder / "meta_info.txt").write_bytes(text.encode("utf-8-sig"))
    dataset = PairedImageDataset(paired_options(*folders, scale=1))
    assert sorted(path["gt_path"] for path in dataset.paths) == ["forêt.v2", "海滩_1"]
    assert dataset[0]["gt"].shape == dataset[1]["lq"].shape == (3, 16, 16)
    assert data_util.paths_from_lmdb(str(folders[0])) == sorted(["海滩_1", "forêt.v2"])


def test_keys_that_are_paths_and_lists_that_differ_are_refused(tmp_path):
    gt, lq = (make_lmdb(folder, tmp_path / f"{folder.name}.lmdb") for folder in make_pairs(tmp_path, 2))
    (lq / "meta_info.txt").write_text("0.png (16,16,3) 1\n")
    with pytest.raises(DataError, match=r"list different images, such as 1"):
        PairedImageDataset(paired_options(gt, lq))
    (lq / "meta_info.txt").write_text("/tmp/0.png (16,16,3) 1\n")
    with pytest.raises(DataError, match=r"lq\.lmdb/meta_info\.txt, line 1: the key '/tmp/0' is a path"):
        PairedImageDataset(paired_options(gt, lq))


def test_an_lmdb_that_is_cut_short_is_an_error_and_not_the_end_of_the_process(tmp_path):
    folder = make_lmdb(make_pairs(tmp_path, 3)[0], tmp_path / "gt.lmdb")
    os.truncate(folder / "data.mdb", (folder / "data.mdb").stat().st_size // 2)
    with pytest.raises(DataError, match=r"gt\.lmdb/data\.mdb: .*copy it again"):
        FileClient("lmdb", db_paths=str(folder))


def test_damaged_pages_name_the_folder_and_the_key(tmp_path):
    folder = make_lmdb(make_pairs(tmp_path, 3)[0], tmp_path / "gt.lmdb")
    with open(folder / "data.mdb", "r+b") as file:  # all but the two meta pages
        file.seek(8192)
        file.write(bytes((folder / "data.mdb").stat().st_size - 8192))
    with pytest.raises(DataError, match=r"1 in .*gt\.lmdb: cannot be read \(.*\); copy the LMDB again"):
        FileClient("lmdb", db_paths=str(folder)).get("1")


def decomposed(name):
    return unicodedata.normalize("NFD", name)


def test_pairs_and_lists_match_composed(tmp_path):
    write_image(tmp_path / "gt/forêt.png", make_image(0, 32, 32))
    write_image(tmp_path / f"lq/{decomposed('forêt')}.png", make_image(0, 16, 16))
    dataset = PairedImageDataset(paired_options(tmp_path / "gt", tmp_path / "lq"))
    assert dataset[0]["lq"].shape == (3, 8, 8)
    listed = write_list(tmp_path / "info.txt", ["forêt.png"], "utf-8")
    dataset = PairedImageDataset(paired_options(tmp_path / "gt", tmp_path / "lq", meta_info_file=listed))
    assert dataset[0]["lq"].shape == (3, 8, 8)


def test_a_pair_that_is_none_is_named_with_what_differs(tmp_path):
    write_image(tmp_path / "gt/plage.png", make_image(0, 32, 32))
    write_image(tmp_path / "lq/plаge.png", make_image(0, 16, 16))
    with pytest.raises(DataError, match=r"gt/plage\.png: its partner .* \(U\+0430 CYRILLIC SMALL LETTER A\)"):
        PairedImageDataset(paired_options(tmp_path / "gt", tmp_path / "lq"))
    write_image(tmp_path / "lq/more.png", make_image(0, 16, 16))
    with pytest.raises(DataError, match="lq holds 2 images and .*gt 1"):
        PairedImageDataset(paired_options(tmp_path / "gt", tmp_path / "lq"))


def test_scandir_follows_links_to_their_end_and_says_what_it_passes_over(tmp_path, caplog):
    write_image(tmp_path / "store/b/b1.png", make_image(0))
    write_image(tmp_path / "all/a1.png", make_image(0))
    (tmp_path / "all/b").symlink_to(tmp_path / "store/b", target_is_directory=True)
    (tmp_path / "store/b/round").symlink_to(tmp_path / "all", target_is_directory=True)
    (tmp_path / "all/.hidden.png").write_bytes(b"")
    folder = str(tmp_path / "all")
    assert list(scandir(folder, suffix=(".png", ".jpg"), recursive=True)) == ["a1.png", "b/b1.png"]
    assert caplog.messages == [f"{folder}/b/round: a link back to a folder above it; not followed"]
    caplog.clear()
    assert list(scandir(folder, full_path=True)) == [f"{folder}/a1.png"]
    assert caplog.messages == [f"{folder}/b: a folder with images, which are not read"]
