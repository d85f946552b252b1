"""Large images, cut into tiles: miniatures of DOTA in its official folders, archives and formats."""

import json
import multiprocessing
import os
import signal
import sys
import zipfile
from contextlib import nullcontext

import cv2
import numpy as np
import pytest
from PIL import Image

from segsr_arch.cli import segsr
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.images.conversion import AS_STORED
from segsr_arch.preparation import worker
from segsr_arch.preparation.run import prepare
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.preparation.tiling import Tiling
from tests.preparation.test_preparation import options, snapshot
from tests.support import make_image, write_image

TILE, MARGIN = 48, 8
# What each version's folders hold: number of the image, split.
IMAGES = {0: "train", 1: "train", 2: "train", 3: "val", 4: "val", 6: "test"}


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """Nothing here outlives a power cut."""
    monkeypatch.setattr(os, "fsync", lambda file: None)


def picture(number):
    """Images of different sizes, the smallest as large as one tile."""
    return make_image(number, TILE + 13 * number, TILE + 7 * number)


def extracted(root, numbers=IMAGES):
    """The folders as they are once all parts are extracted."""
    for number in numbers:
        write_image(root / IMAGES[number] / "images" / f"P{number:04d}.png", picture(number))
        label = root / IMAGES[number] / "labelTxt" / f"P{number:04d}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("imagesource:GoogleEarth\ngsd:0.1\n")
    return root


def packed(root):
    """The parts as they are downloaded: one image in each, labels beside."""
    for number, split in IMAGES.items():
        # version 2.0 adds images, and calls its test folder otherwise
        folder = root / ("DOTA-v1.0" if number < 4 else "DOTA-v2.0") / split.replace("test", "test-dev")
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / f"part{number}.zip", "w") as part:
            part.writestr(f"images/P{number:04d}.png", cv2.imencode(".png", picture(number))[1].tobytes())
        with zipfile.ZipFile(folder / "labelTxt.zip", "a") as labels:
            labels.writestr(f"P{number:04d}.txt", "imagesource:GoogleEarth\n")
    return root


def dota(source, root, *, tile=TILE, margin=MARGIN, **changes):
    return options(
        source, root, **{"data_set": "dota", "lmdb": False, "tiling": Tiling(size=tile, margin=margin), **changes}
    )


def run(*arguments):
    return segsr.run(segsr.build_parser().parse_args(["prepare", *map(str, arguments)]))


@pytest.mark.parametrize(("layout", "scales"), [(extracted, (2, 3)), (packed, (4, 8))])
def test_tiles_are_the_pixels_of_their_image_in_its_split(tmp_path, layout, scales):
    outcome = prepare(dota(layout(tmp_path / "src"), tmp_path / "dst", scales=scales, patch=4))
    assert outcome.problems.items == [], "labels are no stray files"
    covered = {number: np.zeros(picture(number).shape[:2], int) for number in IMAGES}
    for entry in outcome.manifest["images"]:
        number, (top, left), (height, width) = int(entry["listed"][-4:]), entry["tile"], entry["size"]
        assert entry["split"] == IMAGES[number]
        assert entry["name"] == f"P{number:04d}_y{top:05d}_x{left:05d}"
        assert (height, width, entry["class"]) == (TILE, TILE, "")
        covered[number][top : top + height, left : left + width] += 1
        expected = picture(number)[top : top + height, left : left + width]
        for scale in scales:
            high, low = (
                cv2.imread(str(tmp_path / f"dst/{entry['split']}/{side}_x{scale}/{entry['name']}.png"))
                for side in ("HR", "LR")
            )
            assert np.array_equal(high, expected)
            assert np.array_equal(low, make_lr(expected, scale))
    assert all(counts.all() for counts in covered.values()), "every pixel lies in a tile"
    counts = outcome.manifest["counts"]
    assert {split: counts[split]["sources"] for split in SPLITS} == {"train": 3, "val": 2, "test": 1}
    # 48, 61 and 74 rows by 48, 55 and 62 columns: 1, 2 x 2 and 2 x 2 tiles
    assert counts["train"]["by_scale"] == {f"x{scale}": 9 for scale in scales}
    assert sum(outcome.written.values()) == 2 * len(outcome.manifest["images"])


def test_both_layouts_give_the_same_images(tmp_path):
    first = prepare(dota(extracted(tmp_path / "one"), tmp_path / "dst1"))
    second = prepare(dota(packed(tmp_path / "two"), tmp_path / "dst2", jobs=2))
    assert first.manifest["data_digest"] == second.manifest["data_digest"]


@pytest.mark.parametrize(("length", "starts"), [(30, [0]), (48, [0]), (49, [0, 1]), (88, [0, 40]), (100, [0, 40, 52])])
def test_neighbours_share_the_margin_and_the_last_one_ends_at_the_edge(length, starts):
    windows = Tiling(size=TILE, margin=MARGIN).windows(length, TILE)
    assert [window.top for window in windows] == starts
    assert windows[-1].bottom == length


def test_the_margin_is_a_tenth_unless_it_is_given():
    assert (Tiling.of(600).margin, Tiling.of(600, 0).margin) == (60, 0)
    with pytest.raises(ConfigError, match=r"--margin 48: .* --tile 48; give a smaller margin"):
        Tiling.of(48, 48)


def test_images_smaller_than_a_tile_are_for_val_and_test_alone(tmp_path):
    for number, split in ((0, "train"), (1, "train"), (2, "val"), (3, "test")):
        write_image(tmp_path / f"src/{split}/images/P{number}.png", make_image(number, 30 if number else 60, 100))
    outcome = prepare(dota(tmp_path / "src", tmp_path / "dst"))
    found = {split: outcome.manifest["counts"][split]["images"] for split in SPLITS}
    assert found == {"train": 6, "val": 3, "test": 3}
    assert {tuple(image["size"]) for image in outcome.manifest["images"]} == {(48, 48), (30, 48)}
    (problem,) = outcome.problems.items  # once for its three tiles
    assert problem.file == "train/images/P1.png"
    assert problem.done == "tiles of 30 x 48 pixels, and train at x4 needs 48; left out of train at x4"


def test_formats_that_dota_has_and_that_it_might_have(tmp_path):
    folder = tmp_path / "src/train/images"
    write_image(folder / "P0.png", grey := make_image(0, 50, 50, 1))
    write_image(folder / "P1.png", np.dstack([make_image(1, 50, 50), np.full((50, 50), 255, np.uint8)]))
    write_image(folder / "P2.png", np.dstack([make_image(2, 50, 50), np.full((50, 50), 9, np.uint8)]))
    write_image(folder / "P3.png", make_image(3, 50, 50).astype(np.uint16) * 257)
    palette = Image.fromarray(make_image(4, 50, 50)[:, :, ::-1]).quantize(16)
    palette.save(folder / "P4.png")
    write_image(tmp_path / "src/val/images/P5.png", make_image(5, 50, 50))
    outcome = prepare(dota(tmp_path / "src", tmp_path / "dst"))
    assert {problem.file[-6:]: problem.kind.value for problem in outcome.problems.items} == {
        "P0.png": "grayscale",
        "P1.png": "alpha channel",
        "P2.png": "alpha channel",
        "P3.png": "more than 8 bits",
        "P4.png": "palette",
    }
    assert {image["listed"] for image in outcome.manifest["images"]} == {"train/P0", "train/P1", "train/P4", "val/P5"}

    def first_tile(name):
        return cv2.imread(str(tmp_path / f"dst/train/HR_x4/{name}_y00000_x00000.png"))

    assert np.array_equal(first_tile("P0"), np.repeat(grey[:48, :48], 3, axis=2))
    assert np.array_equal(first_tile("P4"), np.array(palette.convert("RGB"))[:48, :48, ::-1])


def test_tiles_of_one_colour_and_tiles_that_another_split_has_are_left_out(tmp_path):
    image = np.zeros((48, 128, 3), np.uint8)
    image[:, 80:] = shared = make_image(1, 48, 48)
    write_image(tmp_path / "src/train/images/P0.png", image)
    write_image(tmp_path / "src/test/images/P1.png", shared)
    image = make_image(2, 48, 48)
    write_image(tmp_path / "src/train/images/P2.png", image)
    outcome = prepare(dota(tmp_path / "src", tmp_path / "dst"))
    done = {problem.kind.value: (problem.file, problem.done) for problem in outcome.problems.items}
    assert done["tiles of one colour"] == (
        "train/images/P0.png",
        "1 of its 3 tiles are of one colour alone; left out",
    )
    assert done["identical image in two splits"] == (
        "train/images/P0.png (tile at row 0, column 80)",
        "the same pixels as test/images/P1.png (tile at row 0, column 0), which stays in test; left out of train",
    )
    names = [image["name"] for image in outcome.manifest["images"]]
    assert names == ["P1_y00000_x00000", "P0_y00000_x00040", "P2_y00000_x00000"]


def test_where_there_are_no_classes_nothing_promises_any(tmp_path, capsys):
    source = extracted(tmp_path / "src")
    with pytest.raises(DataError, match="give --no-split, which makes them folders without a meaning"):
        run("dota", source, tmp_path / "dst", "--val", 0.2)
    assert run("dota", source, tmp_path / "dst", "--tile", TILE, "--patch", 4, "--no-lmdb") == 0
    assert "of the source (--no-split makes them folders without a meaning)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run("dota", "--help")
    assert "train, val and test are folders without a meaning" in " ".join(capsys.readouterr().out.split())


def test_one_folder_alone_is_divided_by_whole_images_and_lists_say_it_again(tmp_path):
    for number in range(10):
        write_image(tmp_path / f"src/train/images/P{number:04d}.png", make_image(number, 60, 60))
    first = prepare(dota(tmp_path / "src", tmp_path / "one", val=2, test=3))
    splits = {}
    for image in first.manifest["images"]:
        splits.setdefault(image["listed"], set()).add(image["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert {split: first.manifest["counts"][split]["sources"] for split in SPLITS} == {"train": 5, "val": 2, "test": 3}
    files = {split: tmp_path / f"one/splits/{split}.txt" for split in SPLITS}
    assert len(files["train"].read_text().split()) == 5
    second = prepare(dota(tmp_path / "src", tmp_path / "two", split_files=files))
    assert second.manifest["data_digest"] == first.manifest["data_digest"]


def test_an_image_is_decoded_once_for_all_tiles_and_scales(tmp_path, monkeypatch):
    source = extracted(tmp_path / "src")
    read = worker.read_rgb
    calls = []
    monkeypatch.setattr(worker, "read_rgb", lambda *given: calls.append(1) or read(*given))
    prepare(dota(source, tmp_path / "dst", scales=(2, 4)))
    assert len(calls) == 2 * len(IMAGES), "to look at it, and to cut it"
    prepare(dota(source, tmp_path / "dst", scales=(2, 4)))
    assert len(calls) == 2 * len(IMAGES)
    (tmp_path / "dst/train/LR_x2/P0002_y00026_x00014.png").unlink()
    outcome = prepare(dota(source, tmp_path / "dst", scales=(2, 4)))
    assert (outcome.written, len(calls)) == ({2: 1}, 2 * len(IMAGES) + 1)


def test_one_large_image_at_a_time(tmp_path, monkeypatch):
    class Turn(nullcontext):
        taken = 0

        def __enter__(self):
            Turn.taken += 1

    monkeypatch.setattr(worker, "_LARGE", 50 * 50)
    source = extracted(tmp_path / "src")
    given = {"source": source, "root": tmp_path, "conversion": AS_STORED, "tiling": Tiling(size=TILE, margin=0)}
    workshop = worker.Workshop(**given, turn=Turn())
    assert len(workshop.inspect("train/images/P0000.png", None).tiles) == 1
    assert Turn.taken == 0
    assert len(workshop.inspect("train/images/P0002.png", None).tiles) == 4
    assert Turn.taken == 1


def test_pixels_are_digested_in_pieces_to_the_same_end(monkeypatch):
    image = make_image(1, 37, 20)[:, ::-1]
    whole = worker.digest_pixels(image)
    assert whole == worker.digest_bytes(b"37x20x3:" + image.tobytes())
    monkeypatch.setattr(worker, "_HASHED", 200)
    assert worker.digest_pixels(image) == whole


def killed_while_writing(files, arguments):
    """Prepare, and be killed in the midst of the file after so many."""
    write, left = worker._write_file, iter(range(files))

    def write_or_die(path, data):
        if next(left, None) is None:
            path.with_name(f".{path.name}.{os.getpid()}-0.partial").write_bytes(data[:100])
            os.kill(os.getpid(), signal.SIGKILL)
        write(path, data)

    worker._write_file = write_or_die
    prepare(arguments)


@pytest.mark.skipif(sys.platform != "linux", reason="forks")
@pytest.mark.parametrize(("files", "intact"), [(5, 0), (45, 10)])
def test_a_run_that_is_killed_in_the_midst_of_an_image_goes_on(tmp_path, files, intact):
    source = extracted(tmp_path / "src")
    prepare(dota(source, tmp_path / "whole", scales=(2, 4)))
    process = multiprocessing.get_context("fork").Process(
        target=killed_while_writing, args=(files, dota(source, tmp_path / "dst", scales=(2, 4)))
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list((tmp_path / "dst").glob("*/*_x*/*.png"))) == files
    assert not (tmp_path / "dst/manifest.json").exists()
    outcome = prepare(dota(source, tmp_path / "dst", scales=(2, 4)))
    assert outcome.intact.get(2, 0) == intact, "the tiles of images that were done"
    assert snapshot(tmp_path / "dst") == snapshot(tmp_path / "whole")


def test_the_command(tmp_path, capsys):
    source = packed(tmp_path / "src")
    common = ("--tile", TILE, "--margin", MARGIN, "--patch", 4, "--jobs", 1)
    assert run("dota", source, tmp_path / "dst", *common) == 0
    out = capsys.readouterr().out
    assert "split: the folders test-dev, train, val of the source" in out
    assert (
        "tiles of 48 x 48, neighbours share at least 8 pixels, from so many images: train 3, val 2, test 1\n"
        "x4: train 9, val 10, test 9; written now 28, done before 0\n"
    ) in out
    settings = json.loads((tmp_path / "dst/manifest.json").read_text())["settings"]
    assert settings["tiles"] == {"size": 48, "margin": 8}
    with pytest.raises(DataError, match=r"tiles: \{'size': 48, 'margin': 8\} then, \{'size': 32, 'margin': 3\} now"):
        run("dota", source, tmp_path / "dst", "--tile", 32, "--patch", 4, "--jobs", 1)
    with pytest.raises(ConfigError, match="--margin: is what neighbouring tiles share; say with --tile"):
        run("folder", source, tmp_path / "other", "--margin", 3)


def test_images_of_ones_own_are_cut_if_that_is_asked_for(tmp_path):
    for number in range(2):
        write_image(tmp_path / f"src/{number}.png", make_image(number, 60, 48))
    assert run("folder", tmp_path / "src", tmp_path / "dst", "--tile", TILE, "--patch", 4, "--jobs", 1) == 0
    assert len(list((tmp_path / "dst/train/HR_x4").iterdir())) == 4


def test_parts_that_cannot_be_read_are_named(tmp_path):
    source = packed(tmp_path / "src")
    part = source / "DOTA-v1.0/train/part1.zip"
    part.write_bytes(part.read_bytes()[:500])
    with pytest.raises(DataError, match=r"part1\.zip: not a readable \.zip archive .* an incomplete download\?"):
        prepare(dota(source, tmp_path / "dst"))
    part.write_bytes(b"Rar!\x1a\x07\x00")
    with pytest.raises(DataError, match=r"part1\.zip: is a \.rar archive, .* \(unrar x part1\.zip, 7z x part1\.zip or"):
        prepare(dota(source, tmp_path / "dst"))


def test_archives_in_an_archive_are_to_be_extracted(tmp_path):
    source = packed(tmp_path / "src")
    with zipfile.ZipFile(tmp_path / "drive.zip", "w") as outer:
        for path in sorted(source.rglob("*.zip")):
            outer.write(path, path.relative_to(source))
    with pytest.raises(
        DataError, match=r"drive\.zip: no images found; .*; it holds archives \(DOTA-v1\.0/test-dev|train.*\): extract"
    ):
        prepare(dota(tmp_path / "drive.zip", tmp_path / "dst"))
