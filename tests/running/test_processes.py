import multiprocessing
import os
import runpy
import signal
import sys
import time
from pathlib import Path

import pytest

from segsr_arch.running import processes
from segsr_arch.running.processes import (
    WorkerOfThis,
    available_cores,
    child_variables,
    end_with_parent,
    heed_parent,
    is_running,
)
from tests.support import runs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
FORK = multiprocessing.get_context("fork") if sys.platform == "linux" else None


def sleep_as_child(connection, parent):
    end_with_parent(parent)
    connection.send(os.getpid())
    time.sleep(60)


def start_child_and_sleep(connection):
    FORK.Process(target=sleep_as_child, args=(connection, os.getpid())).start()
    time.sleep(60)


def heed_and_exit():
    heed_parent()
    os._exit(1 if "SEGSR_PARENT" in os.environ else 7)  # its own children are not meant


def wait_for_end(pid):
    give_up = time.monotonic() + 20
    while runs(pid):
        assert time.monotonic() < give_up, "it still runs"
        time.sleep(0.01)


def test_a_child_ends_with_a_parent_that_is_killed():
    ours, theirs = FORK.Pipe()
    parent = FORK.Process(target=start_child_and_sleep, args=(theirs,))
    parent.start()
    assert ours.poll(20)
    child = ours.recv()
    assert is_running(child)
    os.kill(parent.pid, signal.SIGKILL)
    parent.join(20)
    wait_for_end(child)


def test_a_parent_that_has_ended_before_is_noticed(gone):
    child = FORK.Process(target=end_with_parent, args=(gone,), kwargs={"signum": signal.SIGTERM})
    child.start()
    child.join(20)
    assert child.exitcode == -signal.SIGTERM


def test_a_command_heeds_who_started_it_and_nobody_else(monkeypatch, gone):
    assert child_variables() == {"SEGSR_PARENT": str(os.getpid())}
    for value, code in ((str(gone), -signal.SIGTERM), (str(os.getpid()), 7), ("nonsense", 7)):
        monkeypatch.setenv("SEGSR_PARENT", value)
        child = FORK.Process(target=heed_and_exit)
        child.start()
        child.join(20)
        assert child.exitcode == code


def test_a_process_that_ended_runs_no_more_though_nobody_has_asked():
    child = FORK.Process(target=os.getpid)
    child.start()
    wait_for_end(child.pid)
    assert not is_running(child.pid)
    child.join()


def test_workers_of_a_loader_begin_as_they_did_and_end_with_who_made_it(gone):
    seen = []
    WorkerOfThis(seen.append)._then(3)
    assert seen == [3]
    start = WorkerOfThis(None)
    start._main = gone
    child = FORK.Process(target=start, args=(0,))
    child.start()
    child.join(20)
    assert child.exitcode == -signal.SIGKILL


def test_running(gone):
    assert is_running(os.getpid()) and is_running(1) and not is_running(gone) and not is_running(2**40)


def test_a_process_of_another_user_runs(monkeypatch):
    def refuse(pid, signum):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert is_running(1)


def test_where_the_system_does_not_tell_more_a_process_that_can_be_signalled_runs(monkeypatch):
    monkeypatch.setattr(processes, "Path", lambda text: Path("/nowhere"))
    assert is_running(os.getpid())


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    assert available_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS and Windows
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert available_cores() == 1


def test_it_can_be_imported_where_there_is_no_sigkill(monkeypatch):
    monkeypatch.delattr(signal, "SIGKILL")  # Windows
    monkeypatch.setattr(sys, "platform", "win32")
    names = runpy.run_path(processes.__file__)
    assert names["end_with_parent"](1) is False
