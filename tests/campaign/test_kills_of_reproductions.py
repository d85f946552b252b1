"""Reproductions that are killed at any moment; the same command goes on to the same table."""

import json
import os
import sys

import pytest

from segsr_arch.cli import segsr
from segsr_arch.reproduction import run_options
from segsr_arch.reproduction.presets import PRESETS
from tests.campaign.killing import killed, partial, unreadable
from tests.campaign.tally import dice, series
from tests.cli.test_reproduce import COMMAND
from tests.reproduction.made import prepare_images, tiny_preset

pytestmark = [pytest.mark.campaign, pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="uses /proc")]
WHAT = "kills of a reproduction"
ARGUMENTS = ["table4", "--base", "EDSR", "--data", "data", "--rows", "1", "2", "--seeds", "0", "--iters", "60"]
LARGEST_DIFFERENCE = 1e-6


def figures(folder):
    """Figures of each run of the table in a folder, by column."""
    (table,) = folder.glob("table4*.json")
    rows = json.loads(table.read_text())["rows"]
    return [run["figures"] for row in rows for run in row["runs"]]


def written(folder):
    """How many files lie below a folder in which others write; os.walk bears folders that go meanwhile."""
    return sum(len(files) for _, _, files in os.walk(folder))


@pytest.mark.parametrize(("number", "count"), series(10, each=5))
def test_the_table_is_that_of_an_uninterrupted_run(tally, tmp_path, monkeypatch, number, count):
    prepare_images(tmp_path)
    monkeypatch.chdir(tmp_path)
    command = ["-c", COMMAND, *ARGUMENTS]
    was_killed, output = killed([*command, "--out", "whole"], cwd=tmp_path, when=lambda _: False, seconds=200)
    assert not was_killed and "table4" in output, output
    place = tmp_path / "reproduction"
    most, bad = written(tmp_path / "whole"), []
    random = dice("reproduction", number)
    for attempt in range(count):
        aim = (attempt + random.random()) * most / count
        was_killed, output = killed(command, cwd=tmp_path, when=lambda _, aim=aim: written(place) >= aim)
        if not was_killed or "Traceback" in output:
            bad.append(f"attempt {attempt}: killed {was_killed}: {output[-500:]}")
        bad += unreadable(place)
    monkeypatch.setitem(PRESETS, "small", tiny_preset())
    monkeypatch.setattr(run_options, "_PRINT_FREQ", 1)  # as in the command, whose option files these are
    if segsr.main(["reproduce", *ARGUMENTS]) != 0:
        bad.append("the last command did not end with 0")
    else:
        here, there = figures(place), figures(tmp_path / "whole")
        if len(here) != 2 or any(
            abs(one[column] - other[column]) > LARGEST_DIFFERENCE
            for one, other in zip(here, there, strict=True)
            for column in other
        ):
            bad.append("the figures are others")
        bad += partial(place)
    tally.series(WHAT, count, f"reproduction/{number}", bad)
    assert not tally.lost, tally.told
