"""Processes whose parent is killed: none goes on by itself."""

import ctypes
import multiprocessing
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from segsr_arch.cli.basicsr import main
from tests.cli.runs import make_options, make_pairs, start, write_options
from tests.cli.test_interruption_processes import ENDLESS, wait_for_iteration
from tests.support import runs

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")]
GET_PDEATHSIG = 2  # of prctl
SOON = 3.0  # seconds; torch's own workers look after their parent every five


def children(pid):
    """Children of all threads of a process."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def end_within(pids, seconds):
    give_up = time.monotonic() + seconds
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() < give_up, f"{left} of {pids} still run"
        time.sleep(0.05)


def tell_signal_of_parents_end(connection):
    """Run a command that ends at once, and tell by which signal this process would end with its parent."""
    main(["train", "-opt", "missing.yml", "--launcher", "pytorch"])
    found = ctypes.c_int()
    ctypes.CDLL(None).prctl(GET_PDEATHSIG, ctypes.byref(found), 0, 0, 0)
    connection.send(found.value)


@pytest.mark.parametrize("torchrun, expected", [(True, signal.SIGTERM), (False, 0)])
def test_a_process_that_was_started_by_hand_outlives_its_shell(monkeypatch, torchrun, expected):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    if torchrun:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=tell_signal_of_parents_end, args=(theirs,))
    process.start()
    assert ours.poll(60) and ours.recv() == expected
    process.join(20)


@pytest.mark.parametrize("prefetch", [None, "cpu"])
def test_workers_of_a_training_that_is_killed(tmp_path, prefetch):
    make_pairs(tmp_path)
    write_options(tmp_path, make_options(tmp_path, iterations=ENDLESS, workers=2, prefetch=prefetch))
    with start(["train", "-opt", "tiny.yml"], tmp_path) as process:
        wait_for_iteration(process, 3)
        workers = children(process.pid)
        assert len(workers) == 2
        process.kill()
        end_within(workers, SOON)


def test_trainings_whose_launcher_is_killed_save_and_end(tmp_path):
    make_pairs(tmp_path)
    write_options(tmp_path, make_options(tmp_path, iterations=ENDLESS))
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone")
    with start(["train", "-opt", "tiny.yml", "--launcher", "pytorch"], tmp_path, launcher=launcher) as process:
        wait_for_iteration(process, 6)
        ranks = children(process.pid)
        assert len(ranks) == 2
        process.send_signal(signal.SIGKILL)
        output = process.communicate()[0]  # ends where the ranks do
        end_within(ranks, 60)
    stopped = re.findall(r"Stopped by SIGTERM after iteration (\d+)\. State saved", output)
    assert len(stopped) == 1, output
    assert (tmp_path / f"experiments/tiny/training_states/{stopped[0]}.state").exists()
