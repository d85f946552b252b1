"""segsr evaluate and segsr compare, as a user calls them."""

import csv
import dataclasses
import json
import logging
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from basicsr.metrics import calculate_psnr

from segsr_arch.cli import basicsr
from segsr_arch.cli.segsr import main
from segsr_arch.results.reading import read_record
from tests.cli.runs import forget_logger
from tests.evaluation.test_trained_network import write_test_options
from tests.support import make_image, write_image

ROOT = Path(__file__).resolve().parents[2]


def noisy(image, amount, seed=0):
    noise = np.random.default_rng(seed).integers(-amount, amount + 1, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(("forest01", "forest02", "river01", "river02")):
        gt = make_image(index, 48, 48)
        write_image(tmp_path / f"gt/{name}.png", gt)
        write_image(tmp_path / f"lq/{name}.png", cv2.resize(gt, (12, 12), interpolation=cv2.INTER_AREA))
        write_image(tmp_path / f"good/{name}_good.png", noisy(gt, 5))
        write_image(tmp_path / f"bad/{name}.png", noisy(gt, 20))
    return tmp_path


def test_images_of_two_methods_are_measured_and_compared(here, capsys):
    code = main(["evaluate", "--sr", "good=good", "--sr", "bad", "--gt", "gt", "--lq", "lq", "--dataset", "made"])
    out = capsys.readouterr().out
    assert code == 0
    assert "names are matched without their ending '_good'" in out
    record = read_record(here / "results/good/evaluation/made")
    assert record.scale == 4 and record.problems == () and len(record.images) == 4
    expected = [
        calculate_psnr(row.sr.read(), row.gt.read(), crop_border=4, test_y_channel=True) for row in record.images
    ]
    mean = record.summary["psnr_y-crop"]
    assert mean.mean == pytest.approx(np.mean(expected), abs=1e-6) and mean.low < mean.mean < mean.high
    assert f"{mean.mean:.4f} [{mean.low:.4f}, {mean.high:.4f}]" in out
    assert "y-crop: Y of YCbCr (BT.601), a border of the scale left out; mean over images" in out
    assert "good against bad" in out and "100.0%" in out
    with open(here / "results/comparison/made/classes_psnr_y-crop.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["class", "good", "bad"] and [row[0] for row in rows[1:]] == ["forest", "river", "mean"]
    assert float(rows[1][1]) == pytest.approx(np.mean(expected[:2]))
    provenance = json.loads((here / "results/good/evaluation/made/evaluation.json").read_text())["provenance"]
    assert all(provenance[key] for key in ("command", "split_digest", "data_digest", "versions", "machine"))


def test_bad_images_get_lines_the_rest_is_measured_and_the_exit_code_says_so(here, capsys):
    gt = make_image(9, 48, 48)
    for name, image in {
        "lake1": noisy(gt, 3)[:40],
        "lake2": np.dstack([gt, gt[..., 0]]),
        "lake3": gt.astype(np.uint16) * 257,
        "lake4": gt[:12, :12],
    }.items():
        write_image(here / f"bad/{name}.png", image)
        write_image(here / f"gt/{name}.png", gt[:12, :12] if name == "lake4" else gt)
    (here / "bad/lake5.png").write_bytes(b"\x89PNG broken")
    write_image(here / "gt/lake5.png", gt)
    broken = gt.astype(np.float32)
    broken[0, 0] = np.nan
    write_image(here / "bad/lake6.tif", broken)
    write_image(here / "gt/lake6.png", gt)
    write_image(here / "gt/lake7.png", gt)
    (here / "gt/empty").mkdir()
    arguments = ["evaluate", "--sr", "bad", "--gt", "gt", "--scale", "4"]
    assert main(arguments) == 1
    captured = capsys.readouterr()
    for line in (
        "gt/empty: the class has no image",
        "lake7: no SR image in bad",
        "lake1: the SR image has 40 x 48 pixels and the ground truth 48 x 48",
        "lake2: bad/lake2.png: it has transparent pixels",
        "lake3: the images have different bits a sample (SR 16, GT 8)",
        "lake4: ssim_y-crop: ",
        "lake5: bad/lake5.png does not decode",
        "lake6: bad/lake6.tif",  # holds NaN; OpenCV 4.9 writes a TIFF that not every imagecodecs decodes
    ):
        assert f"problem: {line}" in captured.err, line
    assert "8 problems, listed in evaluation.json" in captured.err
    record = read_record(here / "results/bad/evaluation/gt")
    assert len(record.images) == 5 and record.summary["ssim_y-crop"].n == 4 and len(record.problems) == 8
    assert main([*arguments, "--allow-missing"]) == 0
    assert len(list((here / "results/bad/evaluation").glob("gt_archived_*"))) == 1


def test_a_class_of_which_nothing_could_be_measured_is_named(here, capsys):
    for name in ("river01", "river02"):
        write_image(here / f"bad/{name}.png", make_image(0, 20, 20))
    assert main(["evaluate", "--sr", "bad", "--gt", "gt", "--scale", "4"]) == 1
    assert "class river: none of its 2 images could be measured" in capsys.readouterr().err


def test_without_a_scale_the_protocols_that_need_none_are_taken_and_told(here, capsys):
    assert main(["evaluate", "--sr", "bad", "--gt", "gt"]) == 0
    assert "The scale is not known (give --scale or --lq)" in capsys.readouterr().out
    record = read_record(here / "results/bad/evaluation/gt")
    assert record.scale is None and record.column_names == ["psnr_rgb", "psnr_y-full", "ssim_rgb", "ssim_y-full"]


def test_lr_consistency_needs_no_ground_truth(here):
    assert main(["evaluate", "--sr", "bad", "--lq", "lq", "--metric", "lr_consistency"]) == 0
    record = read_record(here / "results/bad/evaluation/lq")
    assert 10 < record.summary["lr_consistency"].mean < 60 and record.provenance["data_digest"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give either option files"),
        (["-opt", "x.yml", "--sr", "bad"], "Give either option files"),
        (["-opt", "x.yml", "--gt", "gt"], "--gt: is for --sr"),
        (["--sr", "bad", "--gt", "gt", "--no-cost"], "--no-cost: is for -opt"),
        (["--sr", "bad", "--gt", "none"], "--gt none: no such folder"),
        (["--sr", "bad", "--sr", "bad", "--gt", "gt"], "two methods are called bad"),
        (
            ["--sr", "a/b=bad", "--gt", "gt"],
            "'a/b' is the name of a method: it must not be empty or contain slashes",
        ),
        (
            ["--sr", "bad", "--gt", "gt", "--scale", "4", "--dataset", "../esc"],
            "--dataset: '../esc' becomes a folder name",
        ),
        (["--sr", "bad", "--gt", "gt", "--scale", "4", "--dataset", "."], "--dataset: '.' becomes a folder name"),
        (["--sr", "bad", "--gt", "gt", "--scale", "0"], "--scale: must be at least 1"),
        (["--sr", "bad", "--gt", "gt", "--protocol", "y-corp"], "y-crop"),
        (["--sr", "bad", "--gt", "gt", "--metric", "lpps"], "lpips"),
        (["--sr", "bad", "--gt", "gt", "--lq", "gt"], "no LR image is smaller than its SR image ("),
        (["--model", "m", "--gt", "gt", "--imports", "f.py"], "is for --sr; a network with a name brings its own code"),
        (["--sr", "bad", "--metric", "psnr", "--scale", "4"], "ground truth; give it (--gt, with -opt dataroot_gt:"),
        (["--sr", "bad", "--metric", "lr_consistency", "--scale", "4"], "LR images; give them (--lq) or choose"),
    ],
)
def test_wrong_arguments_are_explained_and_nothing_is_written(here, capsys, arguments, message):
    code = main(["evaluate", *arguments])
    captured = capsys.readouterr()
    assert code == 2 and captured.err.startswith("error: ") and message in captured.err
    assert not (here / "results").exists()


def test_images_that_were_not_enlarged_are_measured_at_a_scale_of_1(here):
    assert main(["evaluate", "--sr", "bad", "--gt", "gt", "--lq", "gt", "--scale", "1", "--metric", "psnr"]) == 0
    assert read_record(here / "results/bad/evaluation/gt").scale == 1


def test_lists_protocols_and_metrics(capsys):
    assert main(["evaluate", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("y-crop", "rgb-crop", "y-full", "lpips", "lr_consistency", "SeG-SR"))


def test_a_trained_network_is_run_measured_and_its_cost_counted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = write_test_options(tmp_path)
    forget_logger()
    assert main(["evaluate", "-opt", str(path), "--protocol", "y-crop", "rgb"]) == 0
    assert not logging.getLogger("basicsr").handlers, "a training of this process has its own log file"
    folder = tmp_path / "results/tiny/evaluation/made"
    record = read_record(folder)
    assert [row.name for row in record.images] == [f"im{index}" for index in range(5)]
    row = record.images[0]
    expected = calculate_psnr(row.sr.read(), row.gt.read(), crop_border=2, test_y_channel=True)
    assert row.values["psnr_y-crop"] == pytest.approx(expected, abs=1e-6)
    assert row.sr.path == str(folder / "sr/im0.png") and row.lq.read().shape == (16, 16, 3)
    with np.load(row.maps.path) as maps:
        assert maps["maps"].shape == (2, 4, 4) and maps["cells_per_pixel"] == 0.25
    assert record.cost.parameters > record.cost.trainable > 0 and record.cost.macs > 0 and record.cost.seconds > 0
    assert record.options == path.read_text()
    assert record.provenance["checkpoint"]["path"] == str(tmp_path / "models/net_g_1.pth")
    assert "random(0)" in record.provenance["vlm"] and record.provenance["seed"] == 0
    assert main(["evaluate", "-opt", str(path), "--no-images", "--no-cost", "--out", "other"]) == 0
    record = read_record(tmp_path / "other/tiny/evaluation/made")
    assert record.cost is None and record.images[0].sr is None
    capsys.readouterr()
    assert main(["evaluate", "-opt", str(path), str(path)]) == 2
    assert "two option files have the same name" in capsys.readouterr().err


def test_what_basicsr_test_has_written_is_compared_with_what_segsr_evaluate_has(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = str(write_test_options(tmp_path))
    assert basicsr.main(["test", "-opt", path]) == 0, capsys.readouterr().err
    assert main(["evaluate", "-opt", path, "--no-cost", "--out", "other"]) == 0, capsys.readouterr().err
    tested, evaluated = read_record("results/tiny/evaluation/made"), read_record("other/tiny/evaluation/made")
    assert tested.column_names == ["psnr_y-crop"] and evaluated.column_names == ["psnr_y-crop", "ssim_y-crop"]
    capsys.readouterr()
    assert main(["compare", "results", "other", "--out", "compared"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny against tiny (2)"))
    assert abs(float(line.split()[4])) < 1e-4  # not to the last bit: sums depend on where memory lies


def test_stored_evaluations_are_compared_and_on_common_images_if_asked(here, capsys):
    assert main(["evaluate", "--sr", "good", "--gt", "gt", "--scale", "4"]) == 0
    (here / "bad/river02.png").unlink()
    assert main(["evaluate", "--sr", "bad", "--gt", "gt", "--scale", "4", "--allow-missing"]) == 0
    capsys.readouterr()
    runs = ["results/good", "results/bad"]
    assert main(["compare", *runs]) == 1
    out = capsys.readouterr().out
    assert "not compared" in out and "1 only in good (river02)" in out and "--common" in out
    assert main(["compare", "--common", *runs]) == 0
    assert "Compared on the 3 images that all methods have, without 1" in capsys.readouterr().out
    with open(here / "results/comparison/gt/pairs.csv", newline="") as file:
        assert {line["images"] for line in csv.DictReader(file)} == {"3"}
    assert main(["compare", "results/none"]) == 2
    assert "results/none: no such folder" in capsys.readouterr().err


def test_one_command_gives_figures_tables_pictures_and_the_report(here, capsys):
    arguments = ["--sr", "good=good", "--sr", "bad", "--gt", "gt", "--lq", "lq", "--dataset", "made", "--report"]
    assert main(["evaluate", *arguments]) == 0
    out = capsys.readouterr().out
    for name in ("report.html", "figures/compare_made.png", "figures/compare_made.pdf"):
        assert (here / "results" / name).is_file() and f"results/{name}" in out
    assert "good against bad" in out and "4 of 4 images embedded" in out
    assert "forest01" in (here / "results/report.html").read_text()


def test_the_pictures_of_a_guided_network_are_drawn_from_its_final_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", "-opt", str(write_test_options(tmp_path)), "--report"]) == 0
    pictures = {path.name for path in (tmp_path / "results/figures").iterdir()}
    names = ("compare_made", "maps_tiny_made", "tradeoff_made")
    assert pictures == {f"{name}.{ending}" for name in names for ending in ("png", "pdf")}
    assert "RANDOM" in capsys.readouterr().out.upper()


def test_the_scale_is_that_of_the_first_pair_that_can_be_read(here, capsys):
    (here / "good/forest01_good.png").write_bytes(b"broken")
    assert main(["evaluate", "--sr", "good", "--gt", "gt", "--lq", "lq"]) == 1
    record = read_record(here / "results/good/evaluation/gt")
    assert record.scale == 4 and len(record.images) == 3
    for name in ("forest01", "forest02", "river01", "river02"):
        write_image(here / f"odd/{name}.png", make_image(0, 20, 20))
    assert main(["evaluate", "--sr", "bad", "--gt", "gt", "--lq", "odd"]) == 2
    assert "no LR image is smaller than its SR image by a whole scale" in capsys.readouterr().err


def test_figures_of_whole_sets_are_not_compared_image_by_image(here, capsys, monkeypatch):
    from segsr_arch.metrics import catalogue
    from segsr_arch.metrics.metric import plain
    from segsr_arch.results.record import SetValue

    kid = dataclasses.replace(
        catalogue.CATALOGUE["kid"],
        loader=plain(lambda image: image.mean(axis=(0, 1)), backend="test"),
        combine=lambda sr, gt: SetValue(value=float(abs(sr - gt).mean()), std=None, n=len(sr)),
        package=None,
    )
    monkeypatch.setitem(catalogue.CATALOGUE, "kid", kid)
    arguments = ["--sr", "good", "--sr", "bad", "--gt", "gt", "--scale", "4", "--metric", "kid", "psnr"]
    assert main(["evaluate", *arguments, "--report"]) == 0
    out = capsys.readouterr().out
    assert "(n 4)" in out and "good against bad" in out
    with open(here / "results/comparison/gt/pairs.csv", newline="") as file:
        assert {line["figure"] for line in csv.DictReader(file)} == {"psnr_y-crop"}


def test_what_basicsr_would_cut_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = write_test_options(tmp_path)
    image = cv2.imread(str(tmp_path / "data/HR/im0.png"))
    write_image(tmp_path / "data/HR/im0.png", image.astype(np.uint16) * 257)
    lq = cv2.imread(str(tmp_path / "data/LR/im1.png"))
    write_image(tmp_path / "data/LR/im1.png", np.dstack([lq, lq[..., :1]]))
    assert main(["evaluate", "-opt", str(path), "--no-cost"]) == 1
    err = capsys.readouterr().err
    assert "HR/im0.png: its values go from 0 to 65535: it has 16 bits a sample; say with value_range: [LO, HI]" in err
    assert "LR/im1.png: it has transparent pixels" in err


def test_output_that_nobody_reads_ends_quietly():
    command = [sys.executable, "-m", "segsr_arch.cli.segsr", "evaluate", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
