import os
import time

import pytest

import segsr_arch  # noqa: F401
from segsr_arch.config import check_options
from tests.cli.runs import make_options, make_pairs
from tests.config.paired_options import changed, good_test, good_train, make_lmdb
from tests.config.test_check import problems
from tests.support import make_image, write_image


def lmdb_options(folder, hr, lr):
    """Training options on two LMDBs with these image sizes by name."""
    opt = make_options(folder)
    roots = {"HR": hr, "LR": lr}
    for key, name in (("dataroot_gt", "HR"), ("dataroot_lq", "LR")):
        opt["datasets"]["train"][key] = make_lmdb(folder / f"{name}.lmdb", roots[name])
    return changed(opt, "datasets:train:io_backend", {"type": "lmdb"})


def sizes(side, count=4):
    return {f"img{index:02}": (side, side) for index in range(count)}


def test_missing_and_empty_folders(tmp_path):
    opt = good_train(tmp_path)
    lines = problems(changed(opt, "datasets:train:dataroot_gt", "not/there"))
    assert len(lines) == 1
    assert "datasets:train:dataroot_gt: not/there does not exist" in lines[0] and "segsr prepare" in lines[0]
    (tmp_path / "empty").mkdir()
    assert "holds no images" in problems(changed(opt, "datasets:train:dataroot_lq", str(tmp_path / "empty")))[0]
    file = str(tmp_path / "HR" / "00.png")
    assert "is a file, expected a folder" in problems(changed(opt, "datasets:val:dataroot_lq", file))[0]


def test_lr_and_hr_of_different_counts_are_named(tmp_path):
    opt = good_train(tmp_path)
    (tmp_path / "LR" / "03.png").unlink()
    line = problems(opt)[0]
    assert "datasets:train: dataroot_gt and dataroot_lq do not fit together (8 HR and 7 LR images)" in line
    assert "no LR image for 03.png" in line


def test_lr_and_hr_of_different_names_are_named(tmp_path):
    opt = good_train(tmp_path)
    (tmp_path / "LR" / "03.png").rename(tmp_path / "LR" / "03x2.png")
    line = problems(opt)[0]
    assert "different names" in line and "no LR image for 03.png" in line and "no HR image for 03x2.png" in line


def test_filename_template(tmp_path):
    opt = good_train(tmp_path)
    for path in (tmp_path / "LR").iterdir():
        path.rename(path.with_stem(f"{path.stem}x2"))
    for name in ("train", "val"):
        opt["datasets"][name]["filename_tmpl"] = "{}x2"
    check_options(opt, is_train=True, source="some.yml")
    assert "must contain {}" in problems(changed(opt, "datasets:train:filename_tmpl", "x2"))[0]


def test_stray_and_broken_files_are_named(tmp_path):
    opt = good_train(tmp_path)
    (tmp_path / "HR" / "notes.txt").write_text("x")
    assert "holds files that are no images; move them away: notes.txt" in problems(opt)[0]
    (tmp_path / "HR" / "notes.txt").unlink()
    (tmp_path / "LR" / "00.png").write_bytes(b"not a png")
    assert "LR/00.png does not decode" in problems(opt)[0]


def test_one_wrong_pair_among_many_is_found_and_named(tmp_path):
    opt = good_train(tmp_path)
    for index in range(30):
        for name, side in (("HR", 16), ("LR", 8)):
            write_image(tmp_path / name / f"more{index:02}.png", make_image(1, side, side))
    write_image(tmp_path / "LR" / "more17.png", make_image(1, 8, 9))
    line = problems(opt)[0]
    assert "1 of 38 are not: more17.png is 16x16, its LR image 9x8" in line


@pytest.mark.parametrize("template", ["x2", "{}{}", "{0}x2", "{name}", "{", "{}{x.y}", 2, ["{}"]])
def test_template_that_does_not_make_a_name_is_told(tmp_path, template):
    opt = changed(good_train(tmp_path), "datasets:train:filename_tmpl", template)
    assert any("datasets:train:filename_tmpl" in line for line in problems(opt))


def test_scale_of_folders_is_read_from_headers(tmp_path):
    opt = good_train(tmp_path)
    opt["scale"] = opt["network_g"]["upscale"] = 4
    lines = problems(opt)
    assert "HR images must be x4 (scale:) the size of the LR images" in lines[0]
    assert "00.png is 16x16, its LR image 8x8" in lines[0]


def test_hr_may_be_larger_by_less_than_an_lr_pixel_outside_training(tmp_path):
    opt = good_test(tmp_path)
    for index in range(8):
        write_image(tmp_path / "HR" / f"{index:02}.png", make_image(1, 17, 17))
    check_options(opt, is_train=False, source="some.yml")
    write_image(tmp_path / "HR" / "00.png", make_image(1, 18, 18))
    assert "00.png is 18x18" in problems(opt, is_train=False)[0]
    train_line = problems(make_options(tmp_path))[0]
    assert "datasets:train:dataroot_gt: HR images must be x2" in train_line


def test_patch_must_be_a_multiple_of_the_scale_and_fit(tmp_path):
    opt = good_train(tmp_path)
    assert (
        "gt_size: 15 is not divisible by scale: 2; take 14" in problems(changed(opt, "datasets:train:gt_size", 15))[0]
    )
    line = problems(changed(opt, "datasets:train:gt_size", 18))[0]
    assert "gt_size: 18 is larger than the image" in line and "(16x16)" in line


def test_batch_must_not_be_larger_than_the_data(tmp_path):
    opt = changed(good_train(tmp_path), "datasets:train:batch_size_per_gpu", 9)
    assert "a batch of 9 is larger than an epoch of 8 images" in problems(opt)[0]
    check_options(changed(opt, "datasets:train:dataset_enlarge_ratio", 2), is_train=True, source="some.yml")
    opt = changed(opt, "datasets:train:batch_size_per_gpu", 5)
    check_options(opt, is_train=True, source="some.yml", world_size=1)
    with pytest.raises(ValueError, match="a batch of 5 is larger than an epoch of 4 images"):
        check_options(opt, is_train=True, source="some.yml", world_size=2)


def test_lmdb(tmp_path):
    check_options(lmdb_options(tmp_path, sizes(32), sizes(16)), is_train=True, source="some.yml")


def test_lmdb_must_be_one_and_complete(tmp_path):
    opt = lmdb_options(tmp_path, sizes(32), sizes(16))
    (tmp_path / "HR").mkdir()
    line = problems(changed(opt, "datasets:train:dataroot_gt", str(tmp_path / "HR")))[0]
    assert "must end in .lmdb" in line and "segsr prepare" in line
    line = problems(changed(opt, "datasets:train:dataroot_gt", str(tmp_path / "gone.lmdb")))[0]
    assert "gone.lmdb does not exist" in line and "segsr prepare" in line
    assert "io_backend: type is not lmdb" in problems(changed(opt, "datasets:train:io_backend:type", "disk"))[0]
    (tmp_path / "LR.lmdb" / "meta_info.txt").unlink()
    line = problems(opt)[0]
    assert "LR.lmdb is not a complete LMDB, it has no meta_info.txt" in line and "segsr prepare" in line


@pytest.mark.parametrize(
    ("hr", "lr", "words"),
    [
        (sizes(32), sizes(8), "HR images must be x2 (scale:) the size of the LR images; 4 of 4 are not"),
        (sizes(32), sizes(16, count=3), "4 HR and 3 LR images); no LR image for img03"),
        (sizes(14), sizes(7), "gt_size: 16 is larger than the image img00 (14x14)"),
        ({"a.1": (32, 32), "a.2": (32, 32)}, {"a.1": (16, 16)}, "2 HR and 1 LR images); no LR image for a.2"),
        ({}, {}, "holds no images"),
    ],
)
def test_lmdb_contents(tmp_path, hr, lr, words):
    assert any(words in line for line in problems(lmdb_options(tmp_path, hr, lr)))


def test_broken_lmdb_list_is_named_with_its_line(tmp_path):
    opt = lmdb_options(tmp_path, sizes(32), sizes(16))
    with open(tmp_path / "HR.lmdb" / "meta_info.txt", "a") as file:
        file.write("img04.png 32 32\n")
    assert "HR.lmdb/meta_info.txt, line 5: expected `name.png (h,w,c) 1`" in problems(opt)[0]


def test_an_lmdb_that_was_copied_in_part_is_refused(tmp_path):
    opt = lmdb_options(tmp_path, sizes(32), sizes(16))
    data = tmp_path / "HR.lmdb" / "data.mdb"
    os.truncate(data, data.stat().st_size - 4096)
    (line,) = problems(opt)
    assert "dataroot_gt" in line and "HR.lmdb/data.mdb: has" in line and "copy it again" in line


def test_an_lmdb_must_hold_the_images_of_its_list(tmp_path):
    opt = lmdb_options(tmp_path, sizes(32), sizes(16))
    for name in ("HR", "LR"):
        listing = tmp_path / f"{name}.lmdb" / "meta_info.txt"
        listing.write_text(listing.read_text().replace("img02", "other"))
    lines = problems(opt)
    assert len(lines) == 2 and all("lists images that the LMDB does not hold: other; " in line for line in lines)


def test_an_lmdb_with_damaged_pages_is_named(tmp_path):
    opt = lmdb_options(tmp_path, sizes(32), sizes(16))
    data = tmp_path / "HR.lmdb" / "data.mdb"
    data.write_bytes(data.read_bytes()[:8192] + bytes(data.stat().st_size - 8192))  # all but the two meta pages
    assert "HR.lmdb: its keys cannot be read" in problems(opt)[0] and "copy the LMDB again" in problems(opt)[0]


def test_an_lmdb_must_hold_as_many_images_as_its_list(tmp_path):
    opt = lmdb_options(tmp_path, sizes(32), sizes(16))
    listing = tmp_path / "LR.lmdb" / "meta_info.txt"
    listing.write_text("".join(listing.read_text().splitlines(keepends=True)[:-1]))
    assert "LR.lmdb: meta_info.txt lists 3 images, but the LMDB holds 4" in problems(opt)[0]


def test_file_of_names(tmp_path):
    make_pairs(tmp_path)
    opt = changed(make_options(tmp_path), "datasets:train:meta_info_file", str(tmp_path / "names.txt"))
    assert "names.txt does not exist" in problems(opt)[0]
    (tmp_path / "names.txt").write_text("00.png (16,16,3)\n01.png (16,16,3)\n")
    check_options(opt, is_train=True, source="some.yml")
    (tmp_path / "names.txt").write_text("00.png (16,16,3)\n99.png (16,16,3)\n")
    lines = problems(opt)
    assert len(lines) == 2 and all("first: 99.png" in line for line in lines)


def test_large_lmdb_is_checked_in_less_than_a_second(tmp_path):
    opt = lmdb_options(tmp_path, sizes(256, count=1500), sizes(128, count=1500))
    start = time.perf_counter()
    check_options(opt, is_train=True, source="some.yml")
    assert time.perf_counter() - start < 1


def test_names_of_data_sets_become_folders_and_must_differ(tmp_path):
    good = good_test(tmp_path)
    twice = changed(good, "datasets:test_2", dict(good["datasets"]["test_1"]))
    (line,) = problems(twice, is_train=False)
    assert "datasets:test_2:name: " in line and "is the name of test_1, too" in line
    (line,) = problems(changed(good, "datasets:test_1:name", "a/b"), is_train=False)
    assert "datasets:test_1:name: 'a/b' becomes a folder name" in line
