"""Images that are no plain 8-bit RGB, as the commands take them: alike, named, and the others go on."""

import json
import re
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from segsr_arch.cli.segsr import main
from tests.cli.runs import run_here
from tests.images.files import oriented, png
from tests.support import make_image, write_image

MADE_UP = png(40_000, 40_000, data=zlib.compress(bytes(99)))


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Pairs of four images, x4."""
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        image = make_image(number, 64, 48)
        write_image(tmp_path / f"data/HR/field{number}.png", image)
        write_image(tmp_path / f"data/LR/field{number}.png", cv2.resize(image, (12, 16), interpolation=cv2.INTER_AREA))
    return tmp_path / "data"


def write_options(data, **asked):
    roots = {"dataroot_gt": str(data / "HR"), "dataroot_lq": str(data / "LR"), "io_backend": {"type": "disk"}}
    psnr = {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": True}
    options = {
        "name": "bicubic",
        "model_type": "SeGSRModel",
        "scale": 4,
        "num_gpu": 0,
        "datasets": {"test": {"name": "fields", "type": "PairedImageDataset", **roots, **asked}},
        "network_g": {"type": "Bicubic", "upscale": 4},
        "path": {},
        "val": {"save_img": True, "suffix": None, "metrics": {"psnr": psnr}},
    }
    path = data.parent / "test.yml"
    path.write_text(yaml.safe_dump(options, sort_keys=False))
    return path


def psnr_of_test(data, monkeypatch, capfd, **asked):
    """PSNR that ``basicsr test`` logs."""
    assert run_here(["test", "-opt", write_options(data, **asked)], monkeypatch, data.parent) == 0
    captured = capfd.readouterr()
    return float(re.search(r"# psnr: (\S+)", captured.out + captured.err)[1])


def evaluated(*arguments):
    """The exit code of ``segsr evaluate``, and the mean PSNR that it wrote."""
    code = main(["evaluate", *map(str, arguments), "--metric", "psnr", "--out", "out"])
    (path,) = Path("out").rglob("evaluation.json")
    return code, json.loads(path.read_text())["summary"]["psnr_y-crop"]["mean"]


def test_evaluation_of_what_a_test_wrote_is_what_it_logged(data, monkeypatch, capfd):
    for path in list((data / "HR").iterdir()):
        turned = Image.open(path).transpose(Image.Transpose.ROTATE_90)
        turned.save(path.with_suffix(".jpg"), exif=oriented(6), quality=97)
        Image.open(data / "LR" / path.name).save(data / "LR" / f"{path.stem}.jpg", quality=97)
        path.unlink()
        (data / "LR" / path.name).unlink()
    logged = psnr_of_test(data, monkeypatch, capfd)
    code, mean = evaluated("--sr", "results/bicubic/visualization/fields", "--gt", data / "HR", "--lq", data / "LR")
    assert code == 0 and logged > 15
    assert mean == pytest.approx(logged, abs=1e-3)


def widen(folder):
    """12-bit values in 16-bit files."""
    for path in folder.rglob("*.png"):
        write_image(path, ((cv2.imread(str(path)).astype(np.uint32) * 4095 + 127) // 255).astype(np.uint16))


def test_12_bits_are_refused_or_give_the_figures_of_8(data, monkeypatch, capfd):
    expected = psnr_of_test(data, monkeypatch, capfd)
    widen(data)
    assert run_here(["test", "-opt", write_options(data)], monkeypatch, data.parent) == 2
    error = capfd.readouterr().err
    assert f"{data}/HR/field0.png: it has 16 bits a sample; say with value_range: [LO, HI]" in error
    assert not list(data.parent.glob("results/bicubic_archived*"))  # refused before anything was moved
    assert psnr_of_test(data, monkeypatch, capfd, value_range=[0, 4095]) == expected
    sr = "results/bicubic/visualization/fields"
    assert evaluated("--sr", sr, "--gt", data / "HR", "--scale", 4, "--range", 0, 4095)[1] == pytest.approx(
        expected, abs=1e-3
    )


def test_conversions_are_kept_for_the_report(data, capsys):
    widen(data)
    for path in (data / "HR").iterdir():
        write_image(data / f"SR/{path.name}", cv2.imread(str(path), cv2.IMREAD_UNCHANGED) // 2)
    arguments = ["--sr", data / "SR", "--gt", data / "HR", "--scale", 4, "--range", 0, 4095, "--report"]
    assert evaluated(*arguments)[0] == 0
    rows = json.loads((data.parent / "out/SR/evaluation/HR/images.json").read_text())
    assert rows[0]["conversions"] == {"sr": {"value_range": [0, 4095]}, "gt": {"value_range": [0, 4095]}}
    assert main(["report", str(data.parent / "out/SR/evaluation/HR"), "--out", str(data.parent / "again.html")]) == 0
    page = (data.parent / "again.html").read_text()
    assert "data:image/webp" in page and "bits a sample" not in page


def test_a_made_up_header_is_named_and_the_others_are_measured(data, capsys):
    (data / "HR/field1.png").write_bytes(MADE_UP)
    code, _ = evaluated("--sr", data / "HR", "--gt", data / "HR", "--scale", 4)
    assert code == 1
    error = capsys.readouterr().err
    assert (
        "problem: field1: " in error and "field1.png does not decode: its header claims 40000 x 40000 pixels" in error
    )
    record = json.loads((data.parent / "out/HR/evaluation/HR/evaluation.json").read_text())
    assert len(record["problems"]) == 1 and record["summary"]["psnr_y-crop"]["n"] == 3


def test_a_made_up_header_is_named_and_the_others_are_prepared(data, capfd):
    (data / "HR/field1.png").write_bytes(MADE_UP)
    arguments = ["prepare", "folder", data / "HR", "done", "--patch", 8, "--val", 0, "--test", 0, "--jobs", 2]
    assert main([str(argument) for argument in arguments]) == 0
    captured = capfd.readouterr()
    assert "field1.png: its header claims 40000 x 40000 pixels" in captured.out
    assert "x4: train 3, val 0, test 0" in captured.out
    assert "libpng" not in captured.err and "PNG" not in captured.err  # decoders have no words of their own


def test_a_made_up_header_stops_a_test_before_it_begins(data, monkeypatch, capfd):
    (data / "LR/field1.png").write_bytes(MADE_UP)
    assert run_here(["test", "-opt", write_options(data)], monkeypatch, data.parent) == 2
    assert f"{data}/LR/field1.png does not decode: its header claims 40000 x 40000" in capfd.readouterr().err


def test_bands_are_prepared_when_they_are_named(data, capfd):
    scene = np.dstack([make_image(5, 64, 64), make_image(6, 64, 64)])
    (data / "bands").mkdir()
    for number in range(5):
        tifffile.imwrite(
            data / f"bands/a{number}.tif", np.roll(scene, number, 0), photometric="minisblack", planarconfig="contig"
        )
    arguments = ["prepare", "folder", data / "bands", "done", "--patch", 8, "--val", 0, "--test", 0, "--jobs", 1]
    arguments = [str(argument) for argument in arguments]
    assert main(arguments) == 2
    refused = capfd.readouterr().err
    assert "it has 6 bands, and three or one can be used; say with --bands 3 2 1" in refused
    assert "manifest.json" not in refused and not (data.parent / "done/manifest.json").exists()
    assert main([*arguments, "--bands", "5", "2", "1"]) == 0  # nothing of what was refused is in the way
    made = cv2.imread(str(data.parent / "done/train/HR_x4/a0.png"))
    assert np.array_equal(made[..., ::-1], scene[..., [4, 1, 0]])
