"""Processes of tests end with them."""

import os
import sys
import threading
import time

import pytest

from tests.support import ROOT, run_command, runs, started

# starts one in a session of its own, as torchrun starts its workers, and tells its id; both hold the pipe open
PARENT = """\
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep({seconds})
"""


def parent(seconds):
    return [sys.executable, "-c", PARENT.format(seconds=seconds)]


def test_what_ends_is_returned(tmp_path):
    code = "import os, sys; print(os.getcwd(), os.environ['SOME']); print('oh', file=sys.stderr); sys.exit(3)"
    done = run_command([sys.executable, "-c", code], cwd=tmp_path, SOME="thing")
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path} thing\n", "oh\n")


def test_packages_are_found_where_this_process_finds_them(tmp_path, monkeypatch):
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "only_here.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "packages"))
    code = "import only_here, segsr_arch.version; print(segsr_arch.version.__file__)"
    done = run_command([sys.executable, "-P", "-c", code], cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{ROOT}/segsr_arch/version.py\n", "")


def test_what_takes_too_long_is_killed_with_its_children(tmp_path):
    start, pids, threads = time.monotonic(), [], threading.enumerate()
    with pytest.raises(AssertionError, match="took more than 2 s"), started(parent(60), cwd=tmp_path, seconds=2) as one:
        pids += [one.pid, int(one.stdout.readline())]
        one.communicate()
    assert time.monotonic() - start < 30
    assert threading.enumerate() == threads  # the timer's, which killed them, has seen them end
    assert not any(runs(pid) for pid in pids)


def test_a_test_that_fails_leaves_nothing_running(tmp_path):
    pids = []
    with pytest.raises(ZeroDivisionError), started(parent(60), cwd=tmp_path) as process:
        pids += [process.pid, int(process.stdout.readline())]
        raise ZeroDivisionError
    assert not any(runs(pid) for pid in pids)


def test_orphans_are_found(tmp_path):
    with started(parent(0), cwd=tmp_path) as process:
        child = int(process.stdout.readline())
        process.wait()
        assert runs(child) and os.getsid(child) == child
    assert not runs(child)
