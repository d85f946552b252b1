"""``segsr upscale`` as a command: what it says, what it writes, and how it ends."""

import json
import re

import numpy as np
import pytest
import rasterio
import yaml

from segsr_arch.cli.segsr import main
from tests.evaluation.test_trained_network import write_test_options
from tests.named_models.models import forget_models
from tests.scenes.rasters import write_raster

MODEL = ["--model", "bicubic:2"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).integers(1, 256, (3, 60, 70), dtype=np.uint8)
    write_raster(tmp_path / "scene.tif", values)
    return tmp_path


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def test_one_scene_and_the_line_that_says_what_was_done(here, capsys):
    assert main(["upscale", "scene.tif", "up.tif", *MODEL, "--no-cog"]) == 0
    said = capsys.readouterr().out.splitlines()
    pattern = (
        r"up\.tif: done: 140 x 120 x 3 uint8, EPSG:32633, LR consistency [\d.]+ of a grey level, seam ratio [\d.]+, "
        r"[\d.]+ s \([\d.e-]+ LR megapixels/s\), peak memory \d+ MB"
    )
    assert len(said) == 1 and re.fullmatch(pattern, said[0])
    assert json.loads((here / "up.tif.json").read_text())["identity"]["model"]["scale"] == 2
    assert main(["upscale", "scene.tif", "up.tif", *MODEL, "--no-cog"]) == 0
    assert capsys.readouterr().out.startswith("up.tif: was done before: 140 x 120 x 3 uint8")


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(here, capsys):
    assert main(["upscale", "scene.tif", "up.tif", *MODEL, "--dry-run", "--tile", "32", "--batch", "2"]) == 0
    said = capsys.readouterr().out
    assert "scene.tif -> up.tif: nothing is written" in said
    assert "scene:   70 x 60, bands 1, 2, 3, uint8, 0 to 255: range of the type" in said
    assert "windows: 12 of 32 x 32, overlap 16, 2 at once, in 1 step\n" in said
    assert "output:  140 x 120, about" in said and re.search(r"memory:  about \d+ MB", said)
    assert re.search(r"time:    about \d+:\d\d:\d\d \(network \d+:\d\d:\d\d", said)
    assert [path.name for path in here.iterdir()] == ["scene.tif"]


def test_the_spread_of_an_ensemble_lies_beside_the_output_in_units_of_the_file(here):
    assert main(["upscale", "scene.tif", "up.tif", *MODEL, "--ensemble", "--no-cog"]) == 0
    with rasterio.open("up.spread.tif") as spread, rasterio.open("up.tif") as up:
        assert spread.shape == up.shape and spread.transform == up.transform and spread.crs == up.crs
        assert spread.dtypes == ("float32",) and np.isnan(spread.nodata)
        assert spread.descriptions == ("spread of bicubic:2",)
        assert np.abs(spread.read()).max() < 1e-3, "bicubic interpolation turns with its input"


def test_tiles_of_the_option_file_hold_unless_the_command_says_others(here, capsys):
    options = write_test_options(here)
    content = yaml.safe_load(options.read_text())
    options.write_text(yaml.safe_dump({**content, "tile": {"size": 24, "overlap": 8, "batch": 3}}))
    asked = ["upscale", "scene.tif", "up.tif", "-opt", str(options), "--dry-run"]
    assert main(asked) == 0
    assert "of 24 x 24, overlap 8, 3 at once" in capsys.readouterr().out
    assert main([*asked, "--tile", "16"]) == 0 and "of 16 x 16, overlap 8" in capsys.readouterr().out
    assert main([*asked, "--tile", "40", "--batch", "1"]) == 0
    assert "of 40 x 40, overlap 8, 1 at once" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["up.tif", "--scale", "8"], "either the option file of a test .* or a model"),
        (["up.tif", *MODEL, "--overlap", "64"], "--overlap 64: must be smaller than --tile, which is 64"),
        (["up.tif", *MODEL, "--window", "0", "0", "9", "9", "--bounds", "0", "0", "1", "1"], "give one of them"),
        (["up.tif", *MODEL, "--window", "60", "0", "11", "9"], "window"),
        (["up.tif", *MODEL, "--window", "0", "0", "0", "9"], "window"),
        (["up.tif", *MODEL, "--bands", "4"], "band"),
        (["up.jp2", *MODEL], "up.jp2"),
        (["scene.tif", *MODEL], "scene.tif"),
        (["up.tif", *MODEL, "--preview", "look.pdf"], "let its name end with .png"),
        (["up.tif", *MODEL, "--maps", "maps.tif"], "has no guidance maps"),
        (["up.tif", *MODEL, "--context", "scene"], "has no semantic guide"),
    ],
)
def test_what_is_wrong_is_said_at_once_and_nothing_is_written(here, capsys, arguments, message):
    before = (here / "scene.tif").read_bytes()
    assert main(["upscale", "scene.tif", *arguments]) == 2
    assert re.search(f"error: .*{message}", capsys.readouterr().err)
    assert [path.name for path in here.iterdir()] == ["scene.tif"] and (here / "scene.tif").read_bytes() == before


def test_many_scenes_of_which_one_fails(here, capsys):
    (here / "in").mkdir()
    for number in range(2):
        write_raster(here / f"in/s{number}.tif", read("scene.tif"))
    write_raster(here / "in/odd.tif", np.full((3, 20, 20), 7.5, "float32"))
    asked = ["upscale", "in", "out", *MODEL, "--no-cog"]
    assert main(asked) == 1
    said = capsys.readouterr().out
    assert "3 scenes: 2 done, 1 failed" in said and re.search(r"in/odd\.tif: .*--range", said)
    assert sorted(path.name for path in (here / "out").glob("*.tif")) == ["s0.tif", "s1.tif"]
    write_raster(here / "in/odd.tif", np.full((3, 20, 20), 0.5, "float32"))
    assert main(asked) == 0
    assert "3 scenes: 1 done, 2 done before" in capsys.readouterr().out
    assert main([*asked, "--preview", "look.png"]) == 2


def test_without_a_network_the_one_that_came_with_the_package_is_taken(here, monkeypatch, capsys):
    forget_models(here, monkeypatch)
    assert main(["upscale", "scene.tif", "up.tif"]) == 2
    assert "Give either the option file of a test (-opt FILE) or a model" in capsys.readouterr().err
    options = write_test_options(here)
    for scale in (2, 4):  # of the same scale, so that the name alone tells
        export = ["export", "-opt", str(options), "--format", "named", "--name", f"aerial_x{scale}"]
        assert main([*export, "--out", str(here / "package")]) == 0
        arguments = [] if scale == 4 else ["--scale", "2"]
        capsys.readouterr()
        assert main(["upscale", "scene.tif", "up.tif", "--dry-run", *arguments]) == 0
        assert f"network: aerial_x{scale}, x2" in capsys.readouterr().out
    assert main(["upscale", "scene.tif", "3.tif", "--scale", "3"]) == 2
    assert "There is no network aerial_x3. Give either" in capsys.readouterr().err
    assert main(["upscale", "scene.tif", "3.tif", "--scale", "2", *MODEL]) == 2
    assert "--scale: chooses among the networks that need not be named" in capsys.readouterr().err
