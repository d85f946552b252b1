"""What lies where something is written: replaced if it is of the same output, or if ``--overwrite`` says so."""

import functools
import logging

import pytest
from PIL import Image

from segsr_arch.cli.segsr import main
from segsr_arch.errors import ConfigError
from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes import upscale
from tests.scenes.jobs import digest, names
from tests.scenes.rasters import write_raster
from tests.scenes.test_upscaling import drawn, nearest


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(layouts, "BLOCK", 64)


@pytest.fixture
def src(tmp_path):
    (tmp_path / "in").mkdir()
    return write_raster(tmp_path / "in/s.tif", drawn((3, 40, 40), "uint8"), photometric="RGB")


@pytest.mark.parametrize("text", ['{"type": "Feature", "stac_version": "1.0.0"}', "no json", '{"identity": "mine"}'])
def test_a_file_of_others_beside_the_output_is_not_replaced(tmp_path, src, text):
    beside = tmp_path / "out/up.tif.json"
    beside.parent.mkdir()
    beside.write_text(text)
    with pytest.raises(ConfigError, match=r"up\.tif\.json exists and is something else .* name, or .* --overwrite"):
        upscale(src, tmp_path / "out/up.tif", nearest)
    assert beside.read_text() == text and names(beside.parent) == ["up.tif.json"]
    upscale(src, tmp_path / "out/up.tif", nearest, overwrite=True)
    (tmp_path / "out/up.tif").unlink()
    assert not upscale(src, tmp_path / "out/up.tif", nearest).skipped  # what is there is ours


def test_a_picture_that_shows_something_else_is_no_place_for_a_preview(tmp_path, src):
    look = tmp_path / "look.png"
    Image.new("RGB", (9, 9)).save(look)
    before = look.read_bytes()
    with pytest.raises(ConfigError, match=r"--preview .*look\.png: exists and is no preview of up\.tif; choose .*over"):
        upscale(src, tmp_path / "up.tif", nearest, preview=look)
    assert look.read_bytes() == before and not (tmp_path / "up.tif").exists()
    look.write_text("no picture")
    with pytest.raises(ConfigError, match="is no preview of up"):
        upscale(src, tmp_path / "up.tif", nearest, preview=look)
    upscale(src, tmp_path / "up.tif", nearest, preview=look, overwrite=True)
    made = look.read_bytes()
    look.touch()
    assert upscale(src, tmp_path / "up.tif", nearest, preview=look).skipped and look.read_bytes() == made
    with pytest.raises(ConfigError, match=r"no preview of other\.tif"):
        upscale(src, tmp_path / "other.tif", nearest, preview=look)


def test_many_scenes_that_this_command_has_made_stay_with_overwrite_too(tmp_path, src, capsys):
    write_raster(tmp_path / "in/t.tif", drawn((3, 40, 40), "uint8", seed=1), photometric="RGB")
    write_raster(tmp_path / "in/u.tif", drawn((2, 40, 40), "uint8", seed=1))
    folders = ("upscale", str(tmp_path / "in"), str(tmp_path / "out"), "--model", "bicubic:2")
    main([*folders, "--overlap", "8"])
    capsys.readouterr()
    assert main([*folders, "--overlap", "4", "--overwrite"]) == 1
    assert "3 scenes: 2 done, 1 failed" in capsys.readouterr().out
    (tmp_path / "out/t.tif").unlink()
    assert main([*folders, "--overlap", "4", "--overwrite"]) == 1
    said = capsys.readouterr().out
    assert "3 scenes: 1 done, 1 done before, 1 failed" in said and "these again, and no others" in said
    one = ("upscale", src, str(tmp_path / "out/s.tif"), "--model", "bicubic:2", "--overlap", "4")
    assert main([*one, "--overwrite"]) == 0 and ": done: " in capsys.readouterr().out
    assert main([*one]) == 0 and "was done before" in capsys.readouterr().out


def test_a_spread_goes_with_the_output_that_it_is_of(tmp_path, src):
    (tmp_path / "out").mkdir()
    dst = tmp_path / "out/o.tif"
    upscale(src, dst, nearest, ensemble=True)
    assert names(dst.parent) == ["o.spread.tif", "o.tif", "o.tif.json"]
    (dst.parent / "o.spread.tif.aux.xml").write_text("<PAMDataset/>")
    upscale(src, dst, nearest, window=(0, 0, 20, 20), overwrite=True)
    assert names(dst.parent) == ["o.tif", "o.tif.json"]


def test_a_spread_of_others_stays(tmp_path, src):
    (tmp_path / "out").mkdir()
    dst = tmp_path / "out/o.tif"
    upscale(src, dst, nearest)
    (dst.parent / "o.spread.tif").write_bytes(b"mine")
    upscale(src, dst, nearest, window=(0, 0, 20, 20), overwrite=True)
    assert (dst.parent / "o.spread.tif").read_bytes() == b"mine"


def test_a_spread_that_was_lost_is_made_again(tmp_path, src, caplog):
    (tmp_path / "out").mkdir()
    dst = tmp_path / "out/o.tif"
    again = functools.partial(upscale, src, dst, nearest, ensemble=True)
    again()
    digests = [digest(path) for path in (dst, dst.parent / "o.spread.tif")]
    (dst.parent / "o.spread.tif").unlink()
    with caplog.at_level(logging.WARNING):
        assert not again().skipped
    assert "o.spread.tif is not there any more; it is made again, and" in caplog.text
    assert [digest(path) for path in (dst, dst.parent / "o.spread.tif")] == digests and again().skipped
