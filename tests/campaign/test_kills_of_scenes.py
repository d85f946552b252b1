"""Scenes that are upscaled by commands which are killed at any moment; the same command goes on to the same files."""

import contextlib
import sys

import pytest

from segsr_arch.cli.segsr import main
from tests.campaign.killing import killed
from tests.campaign.tally import dice, series
from tests.scenes.jobs import digest, names, random_values
from tests.scenes.rasters import write_raster

pytestmark = [pytest.mark.campaign, pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="uses /proc")]
WHAT = "kills of upscaling"
ARGUMENTS = ["upscale", "src", "dst", "--model", "bicubic:4", "--tile", "32", "--overlap", "8", "--workers"]
SCENES = 6


def written(folder):
    """Bytes in a folder in which others write, hidden files included."""
    total = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # it has got its name since it was listed
            total += path.stat().st_size
    return total


@pytest.mark.parametrize(("number", "count"), series(20, each=5))
def test_the_rasters_are_those_of_an_uninterrupted_run(tally, tmp_path, monkeypatch, number, count):
    (tmp_path / "src").mkdir()
    for scene in range(SCENES):
        write_raster(tmp_path / f"src/{scene}.tif", random_values(scene, (3, 400, 80), "uint8"))
    monkeypatch.chdir(tmp_path)
    assert main([*ARGUMENTS[:2], "whole", *ARGUMENTS[3:-1]]) == 0
    wanted, most, bad = (
        {path.name: digest(path) for path in tmp_path.glob("whole/*.tif")},
        written(tmp_path / "whole"),
        [],
    )
    random = dice("upscale", number)
    for attempt in range(count):
        aim = (attempt + random.random()) * most / count
        command = ["-m", "segsr_arch.cli.segsr", *ARGUMENTS, str(random.choice([1, 2]))]
        was_killed, output = killed(command, cwd=tmp_path, when=lambda _, aim=aim: written(tmp_path / "dst") >= aim)
        if not was_killed or "Traceback" in output:
            bad.append(f"attempt {attempt}: killed {was_killed}: {output[-500:]}")
    if main([*ARGUMENTS, "2"]) != 0 or {path.name: digest(path) for path in tmp_path.glob("dst/*.tif")} != wanted:
        bad.append("the files are others")
    bad += [name for name in names(tmp_path / "dst") if name.startswith(".")]
    tally.series(WHAT, count, f"upscale/{number}", bad)
    assert not tally.lost, tally.told
