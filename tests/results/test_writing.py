import csv
import json
import math

import cv2
import numpy as np
import pytest

from segsr_arch.errors import DataError, SaveError
from segsr_arch.results.comparison_files import write_comparison
from segsr_arch.results.provenance import data_digest, describe_run, pixel_digest, split_digest
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import Cost, ImageRow, SetValue
from segsr_arch.results.references import ImageReference, place_below
from segsr_arch.results.writing import write_record
from segsr_arch.sources.image_names import name_below
from segsr_arch.weights.digests import file_digest
from tests.results.made import SAM, make_record
from tests.support import make_image, write_image

PSNR = {"forest1": 30.0, "forest2": 32.0, "river1": 25.5}


def test_what_is_written_is_read_back(tmp_path):
    record = make_record(
        psnr=PSNR | {"river1": math.inf},
        sam={"forest1": 0.1},
        set_values={"kid": SetValue(value=0.01, std=None, n=3)},
        problems=("river1: sam: is not defined",),
        cost=Cost(parameters=10, trainable=5, macs=None, seconds=0.5, lr_size=(64, 64), device="CPU"),
        options="name: ours\n",
        iteration=7,
    )
    write_record(tmp_path / "run", record)
    assert read_record(tmp_path / "run") == record
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "classes.csv",
        "evaluation.json",
        "images.csv",
        "images.json",
        "options.yml",
    ]
    assert json.loads((tmp_path / "run/images.json").read_text())[2]["values"]["psnr_y-crop"] == "inf"


def test_csv_files_hold_images_and_class_means(tmp_path):
    write_record(tmp_path, make_record(psnr=PSNR, sam={"forest1": 0.1}))
    with open(tmp_path / "images.csv", newline="") as file:
        images = list(csv.DictReader(file))
    assert [(line["name"], line["class"], line["psnr_y-crop"], line["sam"]) for line in images] == [
        ("forest1", "forest", "30.0", "0.1"),
        ("forest2", "forest", "32.0", ""),
        ("river1", "river", "25.5", ""),
    ]
    with open(tmp_path / "classes.csv", newline="") as file:
        classes = list(csv.reader(file))
    assert classes == [
        ["class", "images", "psnr_y-crop", "sam"],
        ["forest", "2", "31.0", "0.1"],
        ["river", "1", "25.5", ""],
        ["mean", "3", str((30.0 + 32.0 + 25.5) / 3), "0.1"],
    ]


def test_no_cell_is_a_formula_or_several_lines(tmp_path):
    names = {"=1+1/a": 30.0, "-x/b\nc": 31.0}
    rows = tuple(
        ImageRow(name=name, class_name=name.split("/")[0], values={"psnr_y-crop": v}) for name, v in names.items()
    )
    record = make_record(psnr={})
    write_record(tmp_path, type(record)(**{**vars(record), "images": rows}))
    for file in ("images.csv", "classes.csv"):
        with open(tmp_path / file, newline="") as stream:
            cells = [row[:2] for row in csv.reader(stream)][1:]
        assert all(row[0][0] in "'m" and "\n" not in "".join(row) for row in cells)
    assert [row.name for row in read_record(tmp_path).images] == list(names)


def test_a_folder_can_be_moved_with_its_images(tmp_path):
    image = make_image(0)
    inside = write_image(tmp_path / "run/sr/a1.png", image)
    outside = write_image(tmp_path / "gt/a1.png", image)
    row = ImageRow(
        name="a1", values={}, sr=ImageReference(path=str(inside)), gt=ImageReference(path=str(outside)), maps=None
    )
    record = make_record(psnr={})
    write_record(tmp_path / "run", type(record)(**{**vars(record), "images": (row,)}))
    (tmp_path / "run").rename(tmp_path / "moved")
    (found,) = read_record(tmp_path / "moved").images
    assert np.array_equal(found.sr.read(), image) and np.array_equal(found.gt.read(), image)


def test_a_folder_without_an_evaluation_and_a_broken_one_are_named(tmp_path):
    with pytest.raises(DataError, match="nothing/evaluation.json: cannot be read .* segsr evaluate"):
        read_record(tmp_path / "nothing")
    path = write_record(tmp_path, make_record(psnr=PSNR))
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match="evaluation.json: is no JSON"):
        read_record(tmp_path)
    path.write_text('{"format": 2}')
    with pytest.raises(DataError, match="no evaluation of format 1"):
        read_record(tmp_path)
    path.write_text('{"format": 1, "method": "x"}')
    with pytest.raises(DataError, match="not what segsr evaluate writes"):
        read_record(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_save_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="file/run: the folder cannot be made"):
        write_record(tmp_path / "file/run", make_record(psnr=PSNR))


def test_comparison_files(tmp_path):
    a = make_record("a", psnr=PSNR)
    b = make_record("b", psnr={name: value - 1 for name, value in PSNR.items()})
    write_comparison(tmp_path, [a, b])
    with open(tmp_path / "classes_psnr_y-crop.csv", newline="") as file:
        assert list(csv.reader(file))[1] == ["forest", "31.0", "30.0"]
    with open(tmp_path / "pairs.csv", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["a"], line["b"], line["images"], line["a_wins"], line["b_wins"]) == ("a", "b", "3", "1.0", "0.0")
    assert float(line["mean_difference"]) == pytest.approx(1)


def test_columns_and_missing_ones():
    record = make_record(psnr=PSNR, sam={"forest1": 0.1})
    assert record.column("sam") == SAM
    with pytest.raises(KeyError, match="lpips is no column of ours"):
        record.column("lpips")
    assert record.values("sam") == {"forest1": 0.1}


def test_references_read_files_and_lmdb_entries(tmp_path):
    from basicsr.utils.lmdb_util import LmdbMaker

    image = make_image(1)
    maker = LmdbMaker(str(tmp_path / "made.lmdb"))
    maker.put(cv2.imencode(".png", image)[1].tobytes(), "a1", image.shape)
    maker.close()
    place = place_below(str(tmp_path / "made.lmdb"), "a1")
    assert ImageReference.parse(str(place)) == place
    assert np.array_equal(place.read(), image)
    with pytest.raises(DataError, match="There is no b in .*made.lmdb"):
        ImageReference(path=place.path, key="b").read()
    with pytest.raises(DataError, match="other.lmdb: no such LMDB"):
        ImageReference(path=str(tmp_path / "other.lmdb"), key="b").read()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="broken.png does not decode: it is cut short"):
        ImageReference(path=str(tmp_path / "broken.png")).read()
    with pytest.raises(DataError, match="gone.png: cannot be read .* deleted"):
        ImageReference(path=str(tmp_path / "gone.png")).read()


def test_names_are_below_the_root():
    assert name_below("data/HR", "data/HR/forest/a.b1.png") == "forest/a.b1"
    assert name_below("data/HR.lmdb", "a.b1") == "a.b1"
    assert name_below("elsewhere", "data/HR/a1.png") == "a1"
    assert place_below("data/HR", None) is None


def test_digests_follow_names_and_pixels_not_files(tmp_path):
    image = make_image(2)
    assert split_digest(["b", "a"]) == split_digest(["a", "b"]) != split_digest(["a", "c"])
    assert pixel_digest(image) == pixel_digest(image.copy()) != pixel_digest(image.astype(np.uint16))
    rows = [ImageRow(name=name, gt_digest=digest) for name, digest in (("a", "1"), ("b", "2"))]
    assert data_digest(rows) == data_digest(rows[::-1]) != data_digest(rows[:1])
    assert data_digest([*rows, ImageRow(name="c")]) is None
    (tmp_path / "weights.pth").write_bytes(b"weights")
    run = describe_run(images=[], seed=3, checkpoint=tmp_path / "weights.pth")
    assert run["checkpoint"]["sha256"] == file_digest(tmp_path / "weights.pth")
    assert run["data_digest"] is None and run["seed"] == 3 and run["command"]
    assert run["versions"]["basicsr"] == "1.4.2" and run["machine"]["cores"] >= 1


def test_what_is_rewritten_is_not_half_old_and_half_new(tmp_path, monkeypatch):
    from segsr_arch.results import writing

    write_record(tmp_path, make_record(psnr=PSNR))
    real = writing.write_json

    def interrupted(path, content):
        if path.name == "evaluation.json":
            raise KeyboardInterrupt
        return real(path, content)

    monkeypatch.setattr(writing, "write_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_record(tmp_path, make_record(psnr={"lake1": 1.0}))
    with pytest.raises(DataError, match="evaluation.json: cannot be read"):
        read_record(tmp_path)


def test_images_of_a_run_are_found_after_the_run_was_archived(tmp_path, monkeypatch):
    first, second = make_image(0), make_image(1)
    image = write_image(tmp_path / "results/run/visualization/a1.png", first)
    record = make_record(psnr={"a1": 30.0})
    row = ImageRow(name="a1", values={}, sr=ImageReference(path=str(image)))
    record = type(record)(**{**vars(record), "images": (row,)})
    write_record(tmp_path / "results/run/evaluation/made", record, root=tmp_path / "results/run")
    (tmp_path / "results/run").rename(tmp_path / "results/run_archived_1")
    write_image(image, second)
    monkeypatch.chdir(tmp_path)
    (found,) = read_record("results/run_archived_1/evaluation/made").images
    monkeypatch.chdir("/")
    assert np.array_equal(found.sr.read(), first)


def test_lmdb_entries_are_read_by_many_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    from basicsr.utils.lmdb_util import LmdbMaker

    images = {f"a{index}": make_image(index) for index in range(40)}
    for name in ("one", "two"):
        maker = LmdbMaker(str(tmp_path / f"{name}.lmdb"))
        for key, image in images.items():
            maker.put(cv2.imencode(".png", image)[1].tobytes(), key, image.shape)
        maker.close()
    places = [
        (key, ImageReference(path=str(tmp_path / f"{name}.lmdb"), key=key)) for key in images for name in ("one", "two")
    ]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda place: place[1].read(), places))
    assert all(np.array_equal(image, images[key]) for image, (key, _) in zip(found, places, strict=True))


def test_a_truncated_jpeg_is_refused_by_every_version_of_opencv(tmp_path):
    path = write_image(tmp_path / "a1.jpg", make_image(0, 256, 256))
    assert ImageReference(path=str(path)).read().shape == (256, 256, 3)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match="a1.jpg does not decode: it is cut short"):
        ImageReference(path=str(path)).read()
