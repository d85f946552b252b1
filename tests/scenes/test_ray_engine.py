"""Scenes as tasks of Ray, which is started for them.

Ray leaves its threads in a process, and takes from it what it does at a segmentation fault; so each test has its own.
"""

import os
import signal
import sys
from functools import partial

import pytest

from segsr_arch.errors import ConfigError, DependencyError, SegsrError, WeightsError
from segsr_arch.scenes.many.ray_engine import run_with_ray
from segsr_arch.scenes.many.running import run_tasks, summary_lines
from tests.scenes.stand_ins import noted, recipe, text_tasks, upscale_text, written


@pytest.fixture
def deadline(deadline):
    signal.alarm(300)  # processes import the package, on machines that may be busy


def run(folder, tasks, **options):
    do = partial(upscale_text, notes=folder / "notes", **options)
    return run_tasks(tasks, recipe(folder), engine="ray", workers=2, run_one=do)


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="kills processes as Linux does")
def test_a_worker_of_ray_that_is_killed_loses_one_scene(tmp_path, capfd, deadline):
    pytest.importorskip("ray")
    handler = signal.getsignal(signal.SIGTERM)
    tasks = text_tasks(tmp_path, 40, s33="bad")
    outcomes = run(tmp_path, tasks, killed=("s17.tif",))
    assert signal.getsignal(signal.SIGTERM) is handler
    assert summary_lines(outcomes)[:2] == ["40 scenes: 39 done, 1 failed", f"  {tmp_path}/in/s33.tif: its text is bad"]
    assert [outcome.task for outcome in outcomes] == tasks
    begun = noted(tmp_path / "notes", "begun")
    assert sorted(begun) == sorted([*(f"s{number:02}.tif" for number in range(40)), "s17.tif"])
    assert written(tmp_path / "out") == {f"s{number:02}.tif": f"TEXT {number}" for number in range(40) if number != 33}
    makers = noted(tmp_path / "notes", "made")
    assert 2 <= len(makers) <= 4 and len(set(makers)) == len(makers), "the network is made once a process"
    printed = capfd.readouterr()
    assert len(printed.out.splitlines()) == 40
    told = [line for line in printed.err.splitlines() if not line.startswith("upscale ")]
    assert len(told) == 1 and told[0].endswith(": it is a text."), "Ray itself is quiet"


@pytest.mark.slow
@pytest.mark.alone
def test_a_network_that_cannot_be_made_ends_it(tmp_path, deadline):
    pytest.importorskip("ray")
    with pytest.raises(WeightsError, match=r"^net\.pth: is no file of weights$"):
        run_tasks(
            text_tasks(tmp_path, 3), recipe(tmp_path, refuses=True), engine="ray", workers=1, run_one=upscale_text
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [Exception, RuntimeError, ConnectionError])  # Ray has had all three
def test_ray_that_does_not_start_is_told(monkeypatch, kind):
    ray = pytest.importorskip("ray")

    def fail(**_):
        raise kind("The current node timed out during startup.\nMore of it.")

    monkeypatch.setattr(ray, "init", fail)
    message = r"^Ray cannot be started here \(.*node timed out during startup\.\); --workers does without it\.$"
    with pytest.raises(SegsrError, match=message):
        list(run_with_ray(os.getpid, abs, [1], workers=1, retries=0))


def test_ray_that_is_missing_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DependencyError, match=r"^--engine ray needs Ray: pip install 'segsr-arch\[ray\]'$"):
        list(run_with_ray(os.getpid, abs, [1], workers=1, retries=0))


def test_a_cluster_that_does_not_answer_is_told(monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(
        ConfigError, match=r"^RAY_ADDRESS=127\.0\.0\.1:1: no cluster of Ray answers .*unset the variable"
    ):
        list(run_with_ray(os.getpid, abs, [1], workers=1, retries=0))
