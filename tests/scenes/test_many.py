import os
import signal
import sys
import threading
import time
from functools import partial

import pytest
import torch

from segsr_arch.errors import WeightsError
from segsr_arch.running import processes
from segsr_arch.scenes.many.running import made_with_threads, run_tasks, summary_lines
from tests.scenes.stand_ins import noted, recipe, text_tasks, upscale_text, written
from tests.support import run_command

WAYS = [None, pytest.param(2, marks=pytest.mark.skipif(sys.platform == "win32", reason="processes are spawned there"))]


@pytest.fixture
def deadline(deadline):
    signal.alarm(300)  # processes import the package, on machines that may be busy


def run(folder, tasks, *, workers, **options):
    return run_tasks(
        tasks, recipe(folder), workers=workers, run_one=partial(upscale_text, notes=folder / "notes", **options)
    )


@pytest.mark.parametrize("workers", WAYS)
def test_scenes_that_fail_are_listed_and_done_again_alone(tmp_path, capsys, deadline, workers):
    tasks = text_tasks(tmp_path, 6, s02="bad", s04="defect")
    outcomes = run(tmp_path, tasks, workers=workers)
    assert [outcome.task for outcome in outcomes] == tasks
    assert written(tmp_path / "out") == {f"s0{number}.tif": f"TEXT {number}" for number in (0, 1, 3, 5)}
    assert summary_lines(outcomes) == [
        "6 scenes: 4 done, 2 failed",
        f"  {tmp_path}/in/s02.tif: its text is bad",
        f"  {tmp_path}/in/s04.tif: ZeroDivisionError: division by zero",
        "The same command does these again, and no others.",
    ]
    assert outcomes[2].details is None and 'raise ZeroDivisionError("division by zero")' in outcomes[4].details
    told = capsys.readouterr()
    assert sorted(told.out.splitlines()) == [
        f"failed: {tmp_path}/in/s02.tif: its text is bad",
        f"failed: {tmp_path}/in/s04.tif: ZeroDivisionError: division by zero",
        *(f"s0{number}.tif: done" for number in (0, 1, 3, 5)),
    ]
    assert "6/6" in told.err.splitlines()[-1]
    assert told.err.count(": it is a text.\n") == 1, "once is enough"

    (tmp_path / "in/s02.tif").write_text("good")
    (tmp_path / "in/s04.tif").write_text("as well")
    (tmp_path / "notes").unlink()
    outcomes = run(tmp_path, tasks, workers=workers)
    assert summary_lines(outcomes) == ["6 scenes: 2 done, 4 done before"]
    assert sorted(noted(tmp_path / "notes", "begun")) == ["s02.tif", "s04.tif"]
    makers = noted(tmp_path / "notes", "made")
    assert 1 <= len(makers) <= (workers or 1) and len(set(makers)) == len(makers)
    assert (str(os.getpid()) in makers) == (workers is None)


def test_nothing_to_do_loads_no_network(tmp_path):
    assert run(tmp_path, [], workers=None) == [] == run(tmp_path, [], workers=2)
    assert not (tmp_path / "notes").exists()
    assert summary_lines([]) == ["0 scenes: 0 done"]


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")
def test_a_worker_that_is_killed_loses_one_scene_which_another_does(tmp_path, deadline):
    tasks = text_tasks(tmp_path, 40)
    assert all(outcome.error is None for outcome in run(tmp_path, tasks, workers=2, killed=("s17.tif",)))
    begun = noted(tmp_path / "notes", "begun")
    assert sorted(begun) == sorted([*(f"s{number:02}.tif" for number in range(40)), "s17.tif"])
    assert written(tmp_path / "out") == {f"s{number:02}.tif": f"TEXT {number}" for number in range(40)}


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")
def test_a_scene_that_always_kills_its_worker_is_listed_and_the_rest_is_done(tmp_path, deadline):
    outcomes = run(tmp_path, text_tasks(tmp_path, 5), workers=2, killed=("s01.tif",), times=9)
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, True, True]
    assert summary_lines(outcomes)[1] == (
        f"  {tmp_path}/in/s01.tif: its worker process was ended by SIGKILL, each of 3 times, perhaps for lack of "
        "memory: give fewer workers, or smaller tiles or batches."
    )
    assert noted(tmp_path / "notes", "begun").count("s01.tif") == 3


@pytest.mark.parametrize("workers", WAYS)
def test_a_network_that_cannot_be_made_ends_it(tmp_path, deadline, workers):
    with pytest.raises(WeightsError, match=r"^net\.pth: is no file of weights$"):
        run_tasks(text_tasks(tmp_path, 3), recipe(tmp_path, refuses=True), workers=workers, run_one=upscale_text)
    assert not (tmp_path / "out").exists()


def in_a_process_of_its_own(function, folder):
    """Call a function of this file with a folder where a signal, or what it leaves, cannot reach the other tests."""
    code = f"from pathlib import Path; from {__name__} import {function.__name__} as call; call(Path({str(folder)!r}))"
    ended = run_command([sys.executable, "-X", "faulthandler", "-c", code], cwd=folder, seconds=300)
    assert ended.returncode == 0, f"exit {ended.returncode}\n{ended.stderr}"


def interrupted(folder):
    """Run tasks until two are done, and press Ctrl-C."""

    def interrupt():
        while len(list(folder.glob("out/s*.tif"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run(folder, text_tasks(folder, 6), workers=2, slow=("s03.tif", "s04.tif"))


def uninterrupted(folder):
    """Run the same tasks to their end."""
    assert all(outcome.error is None for outcome in run(folder, text_tasks(folder, 6), workers=2))


@pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")
def test_the_same_call_goes_on_after_ctrl_c(tmp_path):
    in_a_process_of_its_own(interrupted, tmp_path)
    done = {path.name for path in tmp_path.glob("out/s*.tif")}
    assert 2 <= len(done) < 6
    (tmp_path / "notes").unlink()
    in_a_process_of_its_own(uninterrupted, tmp_path)
    assert set(noted(tmp_path / "notes", "begun")) == {f"s0{number}.tif" for number in range(6)} - done
    assert written(tmp_path / "out") == {f"s0{number}.tif": f"TEXT {number}" for number in range(6)}


def network_with_three_threads(_folder):
    """Make a network as a worker that may use three threads does."""
    assert made_with_threads(torch.get_num_threads, 3) == 3


def test_workers_share_the_cores(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "available_cores", lambda: 12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [processes.threads_each(workers) for workers in (1, 5, 12, 40)] == [12, 2, 1, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert processes.threads_each(1) == 4
    # Other threads for torch, in a process that has done much else, may be what has crashed processes of tests here.
    in_a_process_of_its_own(network_with_three_threads, tmp_path)
