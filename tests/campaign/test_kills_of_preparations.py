"""Preparations that are killed at any moment; the same command goes on to the same files."""

import sys

import pytest

from segsr_arch.cli.segsr import main
from tests.campaign.killing import killed, partial
from tests.campaign.tally import dice, series
from tests.preparation.test_preparation import make_source, snapshot

pytestmark = [pytest.mark.campaign, pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="uses /proc")]
WHAT = "kills of a preparation"
ARGUMENTS = ["prepare", "folder", "src", "dst", "--scale", "2", "4", "--patch", "16", "--jobs"]
IMAGES = 40


def files(folder):
    return sum(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else 0


@pytest.mark.parametrize(("number", "count"), series(15, each=5))
def test_the_data_set_is_that_of_an_uninterrupted_run(tally, tmp_path, monkeypatch, number, count):
    make_source(tmp_path / "src", count=IMAGES, size=256)
    monkeypatch.chdir(tmp_path)
    assert main([*ARGUMENTS[:3], "whole", *ARGUMENTS[4:], "2"]) == 0
    wanted, bad = snapshot(tmp_path / "whole"), []
    random = dice("preparation", number)
    most = files(tmp_path / "whole")
    for attempt in range(count):
        aim = (attempt + random.random()) * most / count
        command = ["-m", "segsr_arch.cli.segsr", *ARGUMENTS, str(random.choice([1, 2]))]
        was_killed, output = killed(command, cwd=tmp_path, when=lambda _, aim=aim: files(tmp_path / "dst") >= aim)
        if not was_killed or "Traceback" in output:
            bad.append(f"attempt {attempt}: killed {was_killed}: {output[-500:]}")
    if main([*ARGUMENTS, "2"]) != 0 or snapshot(tmp_path / "dst") != wanted:
        bad.append("the files are others")
    bad += partial(tmp_path)
    tally.series(WHAT, count, f"preparation/{number}", bad)
    assert not tally.lost, tally.told
