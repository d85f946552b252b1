"""Real processes, real signals: from start to an uninterrupted run's result."""

import os
import random
import re
import signal
import time

import pytest

import segsr_arch  # noqa: F401
from tests.cli.runs import largest_difference, losses, make_options, make_pairs, network, run_here, start, write_options

pytestmark = pytest.mark.slow
ENDLESS = 1_000_000
LOG_LINE = r"epoch:\s*\d+, iter:\s*(\d+), lr:"  # up to 999


@pytest.fixture
def folder(tmp_path):
    make_pairs(tmp_path)
    return tmp_path


def wait_for_iteration(process, iteration):
    """Read the output until the log has come to an iteration; returns what was read."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        match = re.search(LOG_LINE, line)
        if match and int(match[1]) >= iteration:
            return "".join(lines)
    raise AssertionError("ended early:\n" + "".join(lines))


def finish(folder, opt, monkeypatch, beyond):
    """Resume until some iterations after ``beyond``, run the same without interruption; returns the difference."""
    opt["train"]["total_iter"] = beyond + 6
    write_options(folder, opt)
    assert run_here(["train", "-opt", "tiny.yml", "--auto_resume"], monkeypatch, folder) == 0
    write_options(folder, {**opt, "name": "whole"}, "whole.yml")
    assert run_here(["train", "-opt", "whole.yml"], monkeypatch, folder) == 0
    assert set(losses(folder)) >= set(range(beyond + 1, beyond + 7))
    return largest_difference(network(folder, "latest"), network(folder, "latest", "whole"))


@pytest.mark.parametrize(
    ("signum", "prefetch", "code"), [(signal.SIGINT, "cpu", 130), (signal.SIGTERM, None, 143)], ids=["int", "term"]
)
def test_signal_to_the_process_group_with_workers(folder, monkeypatch, signum, prefetch, code):
    opt = make_options(folder, iterations=ENDLESS, workers=2, prefetch=prefetch)
    write_options(folder, opt)
    with start(["train", "-opt", "tiny.yml"], folder) as process:
        wait_for_iteration(process, 6)
        os.killpg(process.pid, signum)  # as a terminal does: the workers get it too
        output = process.communicate()[0]
    assert process.returncode == code, output
    assert "Traceback" not in output and "DataLoader worker" not in output
    last = int(re.search(r"after iteration (\d+)\. State saved: experiments/tiny/training_states/\1\.state", output)[1])
    assert last >= 6
    assert finish(folder, opt, monkeypatch, last) < 1e-7


def test_kill_9_at_any_time_then_resume(folder, monkeypatch):
    opt = make_options(folder, iterations=ENDLESS)
    opt["logger"]["save_checkpoint_freq"] = 1
    write_options(folder, opt)
    with start(["train", "-opt", "tiny.yml"], folder) as process:
        wait_for_iteration(process, 6)
        time.sleep(random.uniform(0, 0.1))
        process.kill()
        output = process.communicate()[0]
    last = max([6, *(int(number) for number in re.findall(LOG_LINE, output))])
    assert finish(folder, opt, monkeypatch, last) < 1e-7


def test_two_processes_stop_together(folder, monkeypatch):
    opt = make_options(folder, iterations=ENDLESS)
    write_options(folder, opt)
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone")
    with start(["train", "-opt", "tiny.yml", "--launcher", "pytorch"], folder, launcher=launcher) as process:
        wait_for_iteration(process, 6)
        process.send_signal(signal.SIGTERM)  # torchrun passes it on
        output = process.communicate()[0]
    stopped = re.findall(r"Stopped by SIGTERM after iteration (\d+)", output)
    assert len(stopped) == 1, output
    assert "torchrun --nproc_per_node 2 -m segsr_arch.cli.basicsr train --auto_resume -opt tiny.yml" in output
    opt["datasets"]["train"]["batch_size_per_gpu"] = 4
    assert finish(folder, opt, monkeypatch, int(stopped[0])) < 1e-6
