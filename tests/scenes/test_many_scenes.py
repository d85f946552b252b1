"""Forty small scenes with several workers, one of which is killed: each output is that of the serial run."""

import os
import signal
import sys
from functools import partial

import numpy as np
import pytest

from segsr_arch.scenes.many.jobs import find_tasks
from segsr_arch.scenes.many.one_task import run_task
from segsr_arch.scenes.many.running import run_tasks
from segsr_arch.scenes.network.models import resolve_model
from segsr_arch.scenes.output.store import SceneStore
from tests.scenes.jobs import digest
from tests.scenes.rasters import write_raster
from tests.scenes.stand_ins import note, noted

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")]
COUNT = 40
KILLED = "s17.tif"
RECIPE = partial(resolve_model, model="bicubic:2")


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """The scenes, upscaled one after another: the folder, and checksums of the outputs."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "in").mkdir()
    for number in range(COUNT):
        values = np.random.default_rng(number).integers(0, 2**16, (3, 290 + number, 20), "uint16")  # two rows of blocks
        write_raster(folder / f"in/s{number:02}.tif", values)
    outcomes = run_tasks(tasks(folder, "serial"), RECIPE, run_one=run_task, shown=False)
    assert all(outcome.error is None for outcome in outcomes)
    return folder, digests(folder / "serial")


def tasks(folder, out):
    return find_tasks(folder / "in", folder / out, options={"tile": 32, "overlap": 8})


def digests(folder):
    """Checksums of the rasters in a folder; nothing else is in it but what stands beside each."""
    rasters = sorted(folder.glob("*.tif"))
    assert {path.name for path in folder.iterdir()} == {
        name for path in rasters for name in (path.name, f"{path.name}.json")
    }
    return {path.name: digest(path) for path in rasters}


def upscale_or_die(task, resolved, *, notes):
    """Upscale a scene; the first process that has the fatal one is killed behind its first step."""
    note(notes, f"begun {task.name}")
    if task.name == KILLED and noted(notes, "begun").count(KILLED) == 1:
        commit = SceneStore.commit

        def commit_and_die(*args):
            commit(*args)
            os.kill(os.getpid(), signal.SIGKILL)

        SceneStore.commit = commit_and_die
    report = run_task(task, resolved)
    note(notes, f"done {task.name} {report.skipped}")
    return report


@pytest.mark.parametrize("engine", ["processes", pytest.param("ray", marks=pytest.mark.alone)])
def test_every_output_is_that_of_the_serial_run_though_a_worker_is_killed(serial, engine, deadline):
    if engine == "ray":
        pytest.importorskip("ray")
    signal.alarm(600)  # processes import the package, on machines that may be busy
    folder, wanted = serial
    do = partial(upscale_or_die, notes=folder / f"notes_{engine}")
    outcomes = run_tasks(tasks(folder, engine), RECIPE, workers=2, engine=engine, run_one=do, shown=False)
    assert [outcome.error for outcome in outcomes] == [None] * COUNT
    assert len(wanted) == COUNT and digests(folder / engine) == wanted
    begun = noted(folder / f"notes_{engine}", "begun")
    assert sorted(begun) == sorted([*wanted, KILLED]), "one scene was begun twice"

    (folder / f"{engine}/s03.tif").unlink()
    again = run_tasks(tasks(folder, engine), RECIPE, run_one=run_task, shown=False)
    assert [outcome.task.name for outcome in again if not outcome.report.skipped] == ["s03.tif"]
    assert digests(folder / engine) == wanted
