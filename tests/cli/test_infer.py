"""``segsr infer`` and ``segsr infer-dir``: images in, larger ones out, the same of the same seed."""

import json
import re

import cv2
import numpy as np
import pytest
import rasterio

from segsr_arch.cli.segsr import main
from tests.evaluation.test_trained_network import write_test_options
from tests.scenes.rasters import write_raster
from tests.support import TINY_MSSD, TINY_PIXEL_DIFFUSION, make_image, write_image


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with images, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    write_image("images/river.png", make_image(0, 10, 14))
    write_image("images/deep/field.png", make_image(1, 12, 9).astype("uint16") * 257)
    return tmp_path


@pytest.fixture
def sampling(here):
    """The option file of a tiny MSSD, as arguments."""
    network = {"type": "MSSD", "scale": 2, **TINY_MSSD}
    return ["-opt", str(write_test_options(here, network=network, model_type="DiffusionModel")), "--steps", "1"]


BICUBIC = ["--model", "bicubic:2"]
ONE = ["infer", "--input_img", "images/river.png", "--output"]
ALL = ["infer-dir", "--image_dir", "images", "--save_dir"]


def names(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.suffix in (".png", ".tif")
    )


def pixels(path):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def test_one_seed_gives_one_image_by_either_command_and_again(here, sampling, capsys):
    asked = ["--upscale", "2", *sampling, "--seed"]
    assert main([*ONE, "one", *asked, "3"]) == 0
    assert re.match(r"one/river\.png: done: 28 x 20 x 3 uint8", capsys.readouterr().out)
    assert (
        main([*ONE, "twice", *asked, "3"])
        == main([*ONE, "other", *asked, "4"])
        == main([*ALL, "all", *asked, "3"])
        == 0
    )
    assert names(here / "all") == ["deep/field.png", "river.png"]
    one = pixels("one/river.png")
    assert np.array_equal(pixels("twice/river.png"), one) and np.array_equal(pixels("all/river.png"), one)
    assert not np.array_equal(pixels("other/river.png"), one)
    assert (pixels("all/deep/field.png").dtype, pixels("all/deep/field.png").shape) == (np.uint16, (24, 18, 3))
    assert json.loads((here / "one/river.png.json").read_text())["identity"]["options"]["seed"] == 3
    capsys.readouterr()
    assert main([*ALL, "all", *asked, "3"]) == 0
    assert "2 scenes: 0 done, 2 done before" in capsys.readouterr().out


def test_samples_are_those_of_the_seeds_in_their_names(here, sampling, capsys):
    assert main([*ONE, "some", *sampling, "--samples", "3", "--seed", "3"]) == 0
    assert names(here / "some") == [f"river_seed{seed}.png" for seed in (3, 4, 5)]
    assert main([*ONE, "alone", *sampling, "--seed", "4"]) == main([*ALL, "all", *sampling, "--samples", "1"]) == 0
    assert np.array_equal(pixels("some/river_seed4.png"), pixels("alone/river.png"))
    assert names(here / "all") == ["deep/field_seed0.png", "river_seed0.png"]


def test_captions_are_shown_and_kept_and_are_those_of_the_image(here, sampling, capsys):
    (here / "said.jsonl").write_text(
        '{"image": "deep/field", "caption": "a field"}\n{"image": "river", "caption": "a river"}\n'
    )
    assert main([*ALL, "all", *sampling, "--captions", "said.jsonl"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"all/river\.png: done.*, caption 'a river'\n", said) and "caption 'a field'" in said
    assert json.loads((here / "all/river.png.json").read_text())["report"]["caption"] == "a river"
    assert main([*ONE, "one", *sampling, "--captions", "said.jsonl"]) == 0
    assert main([*ONE, "two", *sampling, "--caption", "a river"]) == main([*ONE, "none", *sampling]) == 0
    assert np.array_equal(pixels("one/river.png"), pixels("all/river.png"))
    assert np.array_equal(pixels("two/river.png"), pixels("all/river.png"))
    assert "caption" not in json.loads((here / "none/river.png.json").read_text())["identity"]["options"]
    write_image("images/lake.png", make_image(2, 8, 8))
    assert main([*ALL, "more", *sampling, "--captions", "said.jsonl"]) == 2
    assert "said.jsonl: 1 of 3 images have no caption, lake" in capsys.readouterr().err and not (here / "more").exists()


def test_a_raster_keeps_its_place_and_an_image_becomes_one_without_loss(here):
    values = np.random.default_rng(0).integers(0, 60000, (4, 9, 11)).astype("uint16")
    write_raster("images/scene.tif", values, nodata=0)
    write_image("images/photo.jpg", make_image(3, 8, 8))
    assert main(["infer", "--input_img", "images/scene.tif", "--output", "up", *BICUBIC, "--bands", "1", "2", "3"]) == 0
    with rasterio.open("images/scene.tif") as before, rasterio.open("up/scene.tif") as after:
        assert (after.count, after.dtypes[0], after.crs, after.nodata) == (4, "uint16", before.crs, 0)
        assert after.bounds == before.bounds and after.shape == (18, 22)
    assert main(["infer", "--input_img", "images/photo.jpg", "--output", "up", *BICUBIC]) == 0
    assert main(["infer", "--input_img", "images/photo.jpg", "--output", "up/as.tif", *BICUBIC]) == 0
    assert names(here / "up") == ["as.tif", "photo.png", "scene.tif"]


def test_an_image_that_fails_keeps_no_other_from_being_done(here, capsys):
    whole = (here / "images/river.png").read_bytes()
    (here / "images/cut.png").write_bytes(whole[: len(whole) // 2])
    assert main([*ALL, "all", *BICUBIC]) == 1
    said = capsys.readouterr().out
    assert "3 scenes: 2 done, 1 failed" in said and re.search(r"\n  images/cut\.png.*cut short", said)
    assert names(here / "all") == ["deep/field.png", "river.png"]
    (here / "images/cut.png").write_bytes(whole)
    assert main([*ALL, "all", *BICUBIC]) == 0
    assert "3 scenes: 1 done, 2 done before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*ONE, "up", *BICUBIC, "--upscale", "8"], "--upscale 8: bicubic:2 enlarges 2 times. Give --upscale 2, or"),
        ([*ALL, "up", *BICUBIC, "--upscale", "8"], "--upscale 8: bicubic:2 enlarges 2 times"),
        ([*ONE, "up", *BICUBIC, "--samples", "2"], "--samples: bicubic:2 gives one image for each input"),
        ([*ONE, "up", *BICUBIC, "--steps", "2", "--seed", "1"], "--seed, --steps: bicubic:2 gives one image"),
        ([*ONE, "up", *BICUBIC, "--caption", "a", "--captions", "b"], "--caption and --captions both say"),
        ([*ONE, "up", *BICUBIC, "--captions", "b.jsonl"], "b.jsonl"),
        ([*ONE, "up", "--upscale", "8"], "either the option file of a test .* or a model"),
        ([*ONE, "images", *BICUBIC], "images/river.png: is its own destination; choose another"),
        (["infer", "--input_img", "images", "--output", "up", *BICUBIC], "is a folder; segsr infer-dir does folders"),
        (["infer", "--input_img", "images/rivr.png", "--output", "up", *BICUBIC], "rivr.png does not exist.*river.png"),
        ([*ALL, "images", *BICUBIC], "images: lies in images, and would be a source itself; choose a folder outside"),
        (["infer-dir", "--image_dir", "imges", "--save_dir", "up", *BICUBIC], "--image_dir: imges does not exist"),
        (["infer-dir", "--image_dir", "images/river.png", "--save_dir", "up", *BICUBIC], "is a file; segsr infer does"),
    ],
)
def test_what_is_wrong_is_said_at_once_and_nothing_is_written(here, capsys, arguments, message):
    before = sorted(here.rglob("*"))
    assert main(arguments) == 2
    assert re.search(f"error: .*{message}", capsys.readouterr().err)
    assert sorted(here.rglob("*")) == before


def test_two_images_of_one_name_are_told_before_any_is_done(here, capsys):
    write_image("images/river.jpg", make_image(0, 10, 14))
    assert main([*ALL, "up", *BICUBIC]) == 2
    assert "up/river.png: the destination of images/river.jpg and images/river.png; rename" in capsys.readouterr().err
    assert not (here / "up").exists()


def test_words_for_a_network_that_reads_none_are_refused_before_the_first_image(here, capsys):
    network = {"type": "PixelDiffusion", "scale": 2, **TINY_PIXEL_DIFFUSION}
    options = write_test_options(here, network=network, model_type="DiffusionModel")
    assert main([*ALL, "up", "-opt", str(options), "--caption", "a river"]) == 2
    assert "--caption: tiny reads no words" in capsys.readouterr().err and not (here / "up").exists()
