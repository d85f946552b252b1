"""What a preparation writes, from folders and archives, judged by reading it back."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.errors import DataError
from segsr_arch.preparation.data_sets import DATA_SETS
from segsr_arch.preparation.options import PreparationOptions
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.splits import published_lists
from tests.support import SHARED_DATA, make_image, write_image


def options(source, root, **changes):
    chosen = {"data_set": "folder", "scales": (4,), "split_files": None, "val": 2, "test": 1, "patch": 8, **changes}
    chosen["data_set"] = DATA_SETS[chosen["data_set"]]
    return PreparationOptions(source=Path(source), root=Path(root), **chosen)


def make_source(folder, classes=("a", "b"), count=5, size=48):
    """Two classes of small images of slightly different sizes."""
    for index, group in enumerate(classes):
        for number in range(count):
            write_image(
                folder / group / f"{group}{number:02d}.png", make_image(100 * index + number, size + number, size)
            )
    return folder


def snapshot(root):
    """Every file of a prepared data set but the journal, with its bytes; LMDBs without their empty lock."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".prepare" not in path.parts and path.name != "lock.mdb"
    }


def stock_dataset(root, split, scale, backend, gt_size=32):
    """Stock BasicSR's data set on a prepared split."""
    from basicsr.data.paired_image_dataset import PairedImageDataset

    import segsr_arch  # noqa: F401 - basicsr does not import without

    ending = ".lmdb" if backend == "lmdb" else ""
    return PairedImageDataset(
        {
            "dataroot_gt": str(root / split / f"HR_x{scale}{ending}"),
            "dataroot_lq": str(root / split / f"LR_x{scale}{ending}"),
            "io_backend": {"type": "lmdb" if backend == "lmdb" else "disk"},
            "phase": "train" if split == "train" else "val",
            "scale": scale,
            "gt_size": gt_size,
            "use_hflip": True,
            "use_rot": True,
        }
    )


def test_written_pairs_are_the_cropped_image_and_its_reduction(tmp_path):
    source = make_source(tmp_path / "src")
    outcome = prepare(options(source, tmp_path / "dst", scales=(2, 3, 4)))
    assert outcome.written == {2: 10, 3: 10, 4: 10}
    lists = {split: (tmp_path / f"dst/splits/{split}.txt").read_text().split() for split in ("train", "val", "test")}
    assert {split: len(names) for split, names in lists.items()} == {"train": 4, "val": 4, "test": 2}
    for split, names in lists.items():
        for name in names:
            image = cv2.imread(str(source / f"{name}.png"))
            for scale in (2, 3, 4):
                high, low = (
                    cv2.imread(str(tmp_path / f"dst/{split}/{side}_x{scale}/{name[2:]}.png")) for side in ("HR", "LR")
                )
                height, width = (side // scale * scale for side in image.shape[:2])
                assert np.array_equal(high, image[:height, :width])
                assert np.array_equal(low, make_lr(high, scale))


@pytest.mark.parametrize("backend", ["lmdb", "disk"])
def test_stock_basicsr_reads_train_and_val(tmp_path, backend):
    prepare(options(make_source(tmp_path / "src"), tmp_path / "dst", jobs=2))
    for split, count in (("train", 4), ("val", 4)):
        dataset = stock_dataset(tmp_path / "dst", split, 4, backend)
        assert len(dataset) == count
        for index in range(count):
            item = dataset[index]
            assert item["gt"].shape[1:] == tuple(4 * side for side in item["lq"].shape[1:])
            if split == "train":
                assert item["lq"].shape == (3, 8, 8)
            else:
                name = Path(item["gt_path"]).stem
                image = cv2.imread(str(tmp_path / f"src/{name[0]}/{name}.png"))[:, :, ::-1]
                height, width = item["gt"].shape[1:]
                assert np.array_equal(np.rint(item["gt"].numpy().transpose(1, 2, 0) * 255), image[:height, :width])


def test_lmdb_meta_info_is_in_basicsr_format(tmp_path):
    prepare(options(make_source(tmp_path / "src", size=49), tmp_path / "dst"))
    lines = (tmp_path / "dst/val/LR_x4.lmdb/meta_info.txt").read_text().splitlines()
    assert lines == sorted(lines)
    for line in lines:
        name, shape, level = line.split(" ")
        image = cv2.imread(str(tmp_path / "dst/val/LR_x4" / name))
        assert shape == f"({image.shape[0]},{image.shape[1]},3)"
        assert level == "1"


def test_a_zip_gives_the_same_files_as_its_folder(tmp_path):
    source = make_source(tmp_path / "wrapped/data")
    shutil.make_archive(str(tmp_path / "data"), "zip", tmp_path / "wrapped")
    prepare(options(source, tmp_path / "one"))
    prepare(options(tmp_path / "data.zip", tmp_path / "two", jobs=2))
    one, two = snapshot(tmp_path / "one"), snapshot(tmp_path / "two")
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} == {"manifest.json"}  # it names the source files
    digests = [json.loads(files["manifest.json"])["data_digest"] for files in (one, two)]
    assert digests[0] == digests[1]


def test_a_corrupt_zip_is_named(tmp_path):
    path = tmp_path / "UCMerced_LandUse.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match=r"UCMerced_LandUse\.zip: not a readable \.zip"):
        prepare(options(path, tmp_path / "dst"))


def test_a_damaged_member_is_left_out_and_named(tmp_path):
    source = make_source(tmp_path / "src")
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(source.rglob("*.png")):
            archive.write(file, file.relative_to(source))
        offset = archive.getinfo("a/a03.png").header_offset
    data = bytearray(path.read_bytes())
    data[offset + 200] ^= 255
    path.write_bytes(data)
    outcome = prepare(options(path, tmp_path / "dst"))
    assert [(problem.file, problem.kind.value) for problem in outcome.problems.items] == [("a/a03.png", "broken image")]
    assert sum(outcome.written.values()) == 9


def test_a_second_run_touches_nothing(tmp_path):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst", scales=(2, 4)))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "dst").rglob("*") if ".prepare" not in path.parts}
    outcome = prepare(options(source, tmp_path / "dst", scales=(2, 4)))
    assert (outcome.written, outcome.intact, outcome.databases) == ({}, {2: 10, 4: 10}, 0)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "dst").rglob("*") if ".prepare" not in path.parts}
    assert after == before


def test_a_scale_can_be_added_later(tmp_path):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst", scales=(4,)))
    outcome = prepare(options(source, tmp_path / "dst", scales=(3,)))
    assert (outcome.written, outcome.intact) == ({3: 10}, {4: 10})
    prepare(options(source, tmp_path / "once", scales=(4, 3)))
    assert snapshot(tmp_path / "dst") == snapshot(tmp_path / "once")


def test_other_settings_are_refused(tmp_path):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst"))
    before = snapshot(tmp_path / "dst")
    with pytest.raises(DataError, match="patch: 8 then, 12 now.*choose another folder"):
        prepare(options(source, tmp_path / "dst", patch=12))
    with pytest.raises(DataError, match="split"):
        prepare(options(source, tmp_path / "dst", seed=1))
    assert snapshot(tmp_path / "dst") == before


def test_changed_added_and_removed_images_are_noticed(tmp_path):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst"))
    write_image(source / "a/a00.png", make_image(77))
    write_image(source / "b/b99.png", make_image(78))
    (source / "b/b01.png").unlink()
    outcome = prepare(options(source, tmp_path / "dst"))
    assert outcome.changed == ["a/a00.png"]
    assert outcome.removed >= 1
    prepare(options(source, tmp_path / "new"))
    assert snapshot(tmp_path / "dst") == snapshot(tmp_path / "new")


def test_a_damaged_output_is_made_again(tmp_path):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst"))
    before = snapshot(tmp_path / "dst")
    victims = sorted((tmp_path / "dst/train/LR_x4").iterdir())
    victims[0].write_bytes(b"")
    victims[1].unlink()
    shutil.rmtree(tmp_path / "dst/val/HR_x4.lmdb")
    outcome = prepare(options(source, tmp_path / "dst"))
    assert (outcome.written, outcome.databases) == ({4: 2}, 1)
    assert snapshot(tmp_path / "dst") == before


def test_databases_can_be_left_out_and_added(tmp_path):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst", lmdb=False))
    assert not list((tmp_path / "dst").rglob("*.lmdb"))
    outcome = prepare(options(source, tmp_path / "dst"))
    assert (outcome.written, outcome.databases) == ({}, 6)
    # Without LMDBs, those that would be out of date are not left behind.
    write_image(source / "a/a00.png", make_image(77))
    prepare(options(source, tmp_path / "dst", lmdb=False))
    assert len(list((tmp_path / "dst").rglob("*.lmdb"))) == 4


def test_a_foreign_image_in_the_folder_is_refused(tmp_path):
    source = make_source(tmp_path / "src")
    prepare(options(source, tmp_path / "dst"))
    write_image(tmp_path / "dst/train/HR_x4/mine.png", make_image(1))
    with pytest.raises(DataError, match=r"mine\.png: was not written by this command"):
        prepare(options(source, tmp_path / "dst"))


def test_a_run_that_is_refused_at_first_leaves_nothing_that_stands_in_the_way_of_another(tmp_path):
    source = make_source(tmp_path / "src")
    mine = tmp_path / "dst/train/HR_x4/mine.png"
    write_image(mine, make_image(1))
    with pytest.raises(DataError, match=r"mine\.png: was not written by this command"):
        prepare(options(source, tmp_path / "dst"))
    assert [path for path in (tmp_path / "dst").rglob("*") if path.is_file()] == [mine]
    mine.unlink()
    assert prepare(options(source, tmp_path / "dst", val=0, test=0)).written  # with other settings
    with pytest.raises(DataError, match="was prepared with other settings"):  # and now they are those of the folder
        prepare(options(source, tmp_path / "dst"))


def test_preparing_into_the_source_is_refused(tmp_path):
    source = make_source(tmp_path / "src")
    with pytest.raises(DataError, match="outside"):
        prepare(options(source, source / "out"))
    assert not (source / "out").exists()


def test_manifest_describes_what_is_there(tmp_path):
    source = make_source(tmp_path / "src")
    write_image(source / "a/twin.png", cv2.imread(str(source / "a/a00.png")))
    prepare(options(source, tmp_path / "dst", val=0, test=0))
    text = (tmp_path / "dst/manifest.json").read_text()
    manifest = json.loads(text)
    assert str(tmp_path) not in text
    assert manifest["counts"]["train"] == {"images": 11, "by_scale": {"x4": 11}, "by_class": {"a": 6, "b": 5}}
    assert manifest["identical"] == [["a/a00", "a/twin"]]
    assert "basicsr.utils.matlab_functions.imresize" in manifest["protocol"]
    entry = manifest["images"][0]
    assert (entry["listed"], entry["size"], entry["outputs"]["x4"]["LR"]["size"]) == ("a/a00", [48, 48], [12, 12])


def test_identical_images_never_straddle_a_split(tmp_path):
    source = tmp_path / "src"
    for number in range(6):
        write_image(source / f"{number}.png", make_image(number % 3))
    for split, names in {"train": "0 1", "val": "2 3", "test": "4 5"}.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(names.split()))
    files = {split: tmp_path / f"{split}.txt" for split in ("train", "val", "test")}
    outcome = prepare(options(source, tmp_path / "dst", split_files=files))
    # 0 = 3 (train, val), 1 = 4 (train, test), 2 = 5 (val, test): test wins over val wins over train.
    assert {entry["name"]: entry["split"] for entry in outcome.manifest["images"]} == {
        "3": "val",
        "4": "test",
        "5": "test",
    }
    found = [(problem.file, problem.kind.value) for problem in outcome.problems.items]
    assert sorted(found) == [(f"{number}.png", "identical image in two splits") for number in range(3)]


def test_official_tiff_images_equal_the_shared_webp_ones(tmp_path):
    folders = [SHARED_DATA / "ucmerced_tif", SHARED_DATA / "ucmerced"]
    if not all(folder.is_dir() for folder in folders):
        pytest.skip(f"{folders[0]} or {folders[1]} is not there")
    tiffs = sorted((folders[0] / "Images").rglob("*.tif"))
    for path in tiffs:
        webp = folders[1] / "Images" / path.parent.name / f"{path.stem}.webp"
        if webp.is_file():
            target = tmp_path / "webp/Images" / path.parent.name / webp.name
            target.parent.mkdir(parents=True, exist_ok=True)
            os.symlink(webp, target)
    results = []
    for source in (folders[0], tmp_path / "webp"):
        ucmerced = {"data_set": "ucmerced", "split_files": published_lists("ucmerced"), "patch": 48}
        outcome = prepare(options(source, tmp_path / f"dst{len(results)}", **ucmerced))
        results.append({entry["listed"]: entry["sha256"] for entry in outcome.manifest["images"]})
    assert len(results[0]) == len(tiffs)
    assert len(results[1]) >= 4
    assert results[1].items() <= results[0].items()
