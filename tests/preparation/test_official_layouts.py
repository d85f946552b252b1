"""Every data set of classes, as its official archive has it in small: all scales, and any order of the names."""

import json
import os
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from segsr_arch.cli import segsr
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.errors import DataError
from segsr_arch.preparation.data_sets import DATA_SETS
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.sources import folder_walk
from tests.support import make_image, write_image

SCALES = (2, 3, 4, 8)
LAYOUTS = {
    "ucmerced": ("UCMerced_LandUse/Images/{0}/{0}{1:02}.tif", ("agricultural", "airplane")),
    "aid": ("AID/{0}/{1}_{2}.jpg", ("Airport", "BareLand")),
    "nwpu_resisc45": ("NWPU-RESISC45/{0}/{0}_{1:03}.jpg", ("airplane", "sea_ice")),
    "rsc11": ("RS_C11_Database/{0}/{0}_{1}.tif", ("harbor", "roads")),
    "rsscn7": ("RSSCN7-master/{0}/{1}.jpg", ("aGrass", "gParking")),
    "whu_rs19": ("WHU-RS19/{0}/{0}_{1:02}.jpg", ("Airport", "footballField")),
}
PACKED = {"ucmerced", "aid", "rsscn7", "whu_rs19"}  # those that come as .zip


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Nothing here outlives a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def run(*arguments):
    return segsr.run(segsr.build_parser().parse_args(["prepare", *map(str, arguments), "--patch", "4", "--jobs", "1"]))


def paths_of(name):
    """Six images of two classes, named as the archive names them."""
    pattern, classes = LAYOUTS[name]
    for group in classes:
        for number in range(1, 7):
            given = {
                "aid": (group, group.lower(), number),
                "rsscn7": (group, f"{group[0]}{number:03}"),
            }.get(name, (group, number))
            yield pattern.format(*given)


def miniature(folder, name):
    """The data set extracted, and packed as it comes if that is a .zip; what to give the command."""
    for number, path in enumerate(paths_of(name)):
        write_image(folder / path, make_image(number, 50, 66))
    if name == "rsscn7":
        (folder / "RSSCN7-master/README.md").write_text("# RSSCN7")
    if name not in PACKED:
        return folder
    return Path(shutil.make_archive(str(folder), "zip", folder))


def manifest_of(root):
    return json.loads((root / "manifest.json").read_text())


def test_every_data_set_of_classes_is_here():
    assert set(LAYOUTS) == {name for name, known in DATA_SETS.items() if known.archive and known.classes == "innermost"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_all_scales_of_a_miniature(tmp_path, name):
    source = miniature(tmp_path / "src", name)
    # strict: an official archive is no problem
    assert run(name, source, tmp_path / "dst", "--scale", *SCALES, "--strict", "--no-lmdb") == 0
    manifest = manifest_of(tmp_path / "dst")
    rule = DATA_SETS[name].split
    expected = {"train": 0, "val": 0, "test": 12} if rule and rule.test > 1 else {"train": 0, "val": 10, "test": 2}
    if name == "ucmerced":
        expected = None  # as the lists have it
    counts = {split: manifest["counts"][split]["images"] for split in SPLITS}
    assert sum(counts.values()) == 12
    assert expected in (None, counts)
    assert sorted({image["class"] for image in manifest["images"]}) == sorted(LAYOUTS[name][1])
    for image in manifest["images"]:
        assert set(image["outputs"]) == {f"x{scale}" for scale in SCALES}
        stored = cv2.imread(str(tmp_path / "src" / image["source"]))
        for scale in SCALES:
            folder = tmp_path / "dst" / image["split"]
            high, low = (cv2.imread(str(folder / f"{side}_x{scale}/{image['name']}.png")) for side in ("HR", "LR"))
            assert np.abs(high.astype(int) - stored[: 50 // scale * scale, : 66 // scale * scale]).max() <= 2  # of JPEG
            assert np.array_equal(low, make_lr(high, scale))


def test_the_copy_on_kaggle_has_a_split_of_its_own(tmp_path, capsys):
    for number in range(4):
        split = ("train", "test")[number % 2]
        write_image(tmp_path / f"src/Dataset/{split}/{split}/airplane/airplane_{number:03}.jpg", make_image(number))
    assert run("nwpu_resisc45", tmp_path / "src", tmp_path / "dst", "--no-lmdb") == 0
    assert "split: the folders test, train of the source" in capsys.readouterr().out
    manifest = manifest_of(tmp_path / "dst")
    assert {image["source"].split("/")[1]: image["split"] for image in manifest["images"]} == {
        "train": "train",
        "test": "test",
    }
    assert {image["class"] for image in manifest["images"]} == {"airplane"}


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"Rar!\x1a\x07\x01", r"is a \.rar archive, .*extract it \(unrar x NWPU-RESISC45\.rar, 7z x "),
        (b"7z\xbc\xaf\x27\x1c", r"is a \.7z archive, .*\(7z x NWPU"),
        (b"\x1f\x8b\x08", r"is packed with gzip, as \.tar\.gz archives are.*\(tar -xf NWPU"),
        (b"\0" * 257 + b"ustar", r"is a \.tar archive.*\(tar -xf NWPU"),
        (b"", r"not a readable \.zip archive .*an incomplete download\?"),
    ],
)
def test_other_archives_say_how_they_are_extracted(tmp_path, start, words):
    path = tmp_path / "NWPU-RESISC45.rar"
    path.write_bytes(start)
    with pytest.raises(DataError, match=words):
        run("nwpu_resisc45", path, tmp_path / "dst")
    assert not (tmp_path / "dst").exists()


def test_a_folder_that_holds_the_archive_alone(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/NWPU-RESISC45.rar").write_bytes(b"Rar!")
    with pytest.raises(DataError, match=r"it holds archives \(NWPU-RESISC45\.rar\): extract them, and give the folder"):
        run("nwpu_resisc45", tmp_path / "src", tmp_path / "dst")


def all_files(root):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".prepare" not in path.parts
    }


def test_the_order_in_which_a_system_names_files_changes_nothing(tmp_path, monkeypatch):
    miniature(tmp_path / "src", "aid")
    write_image(tmp_path / "src/AID/Airport/airport_1.png", make_image(77, 50, 66))  # one name twice
    (tmp_path / "src/AID/Airport/Thumbs.db").write_bytes(b"stray")
    assert run("aid", tmp_path / "src", tmp_path / "one", "--no-lmdb") == 0
    walk = os.walk

    def backwards(*given, **options):
        for folder, below, names in walk(*given, **options):
            below.reverse()
            yield folder, below, sorted(names, reverse=True)

    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(folder_walk.os, "walk", backwards)
        assert run("aid", tmp_path / "src", tmp_path / "two", "--no-lmdb") == 0
    with zipfile.ZipFile(tmp_path / "backwards.zip", "w") as archive:
        for path in sorted((tmp_path / "src").rglob("*"), reverse=True):
            if path.is_file():
                archive.write(path, path.relative_to(tmp_path / "src"))
    assert run("aid", tmp_path / "backwards.zip", tmp_path / "three", "--no-lmdb") == 0
    assert all_files(tmp_path / "one") == all_files(tmp_path / "two") == all_files(tmp_path / "three")
