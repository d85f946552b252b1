"""A shell script stands in for Python, so that processes, signals and logs are real and nothing is trained."""

import os
import signal
import sys
import threading

import pytest
import torch

from segsr_arch.cli.failures import ended_as_interrupted
from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.reproduction import execution
from segsr_arch.reproduction.execution import Executor, Slot, cpu_slots, gpu_slots
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.workplace import Workplace
from tests.reproduction.made import make_settings
from tests.support import processes_with

# $1 -m  $2 module  $3 command  $4 -opt  $5 option file, seen from the workplace
SCRIPT = """#!/bin/sh
name=$(basename "$5" .yml)
echo "$2 $3 $name threads=$OMP_NUM_THREADS" >> calls; echo "$SEGSR_PARENT" >> parents
[ -f "$5" ] || exit 9
if [ -f "fail_$name" ]; then echo "line before"; echo "boom: $name" >&2; exit 3; fi
case "$name" in
train_*)
  echo "    total_iter: 2000"
  echo "[..][epoch:  0, iter:     100, lr:(5e-04,)]"
  mkdir -p "experiments/${name#train_}/models"
  touch "experiments/${name#train_}/models/net_g_best.pth" "experiments/${name#train_}/models/net_g_latest.pth"
  if [ -f meet ]; then touch "here_$name"; while [ "$(ls here_* | wc -l)" -lt 2 ]; do sleep 0.02; done; fi
  if [ -f endless ]; then
    trap 'echo "State saved"; echo "$name" >> stopped; exit 130' INT TERM
    echo "[..][epoch:  1, iter:   1,234, lr:(5e-04,)]"
    while :; do sleep 0.02; done
  fi ;;
final_*)
  folder="results/${name#final_}/evaluation/UCMerced_val"
  mkdir -p "$folder"; touch "$folder/evaluation.json" ;;
esac
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    script = tmp_path / "python"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    found = Workplace(tmp_path / "out")
    found.folder.mkdir()
    return found


def some_runs(*rows, seeds=(0,), **changes):
    table = make_table("table7")
    return make_plan(table, make_settings(**{"iterations": 2000, **changes}), seeds=seeds, rows=rows).runs


def calls(place):
    return (place.folder / "calls").read_text().splitlines()


def test_a_run_is_trained_and_measured_and_both_are_noted(place):
    (run,) = some_runs(1, data_digest="d")
    reported, ended = [], []
    executor = Executor(
        workplace=place,
        slots=[Slot(threads=3)],
        report=lambda run, iteration: reported.append(iteration),
        done=lambda run, error: ended.append((run.name, error)),
    )
    assert executor.carry_out([run]) == {}
    assert calls(place) == [
        f"segsr_arch.cli.basicsr train train_{run.name} threads=3",
        f"segsr_arch.cli.segsr evaluate final_{run.name} threads=3",
    ]
    assert set((place.folder / "parents").read_text().split()) == {str(os.getpid())}, "they end with this process"
    assert reported == [100, 2000] and ended == [(run.name, None)]
    progress = place.progress(run)
    assert progress.trained and progress.measured and progress.train_seconds > 0
    assert (progress.attempts, progress.threads, progress.device, progress.data_digest) == (1, 3, "cpu", "d")
    log = place.log_file(run).read_text()
    assert f"$ basicsr train -opt options/train_{run.name}.yml --auto_resume\n" in log
    assert "--protocol y-crop rgb-crop --no-images\n" in log
    assert executor.carry_out([run]) == {} and len(calls(place)) == 2  # done is done


def test_the_time_of_a_training_is_noted_while_it_runs(place, monkeypatch):
    monkeypatch.setattr(execution, "_NOTE_SECONDS", 0.0)
    (run,) = some_runs(1)
    seen = []

    def report(run, iteration):
        seen.append((iteration, place.progress(run).train_seconds))

    Executor(workplace=place, slots=[Slot()], report=report).carry_out([run])
    assert [iteration for iteration, _ in seen] == [100, 2000]
    assert 0 < seen[0][1] <= seen[1][1] == place.progress(run).train_seconds, "what is killed after line 1 has its time"


def test_a_failure_is_told_with_the_end_of_the_log_and_stops_nobody_else(place):
    runs = some_runs(1, 5, 9)
    (place.folder / f"fail_train_{runs[0].name}").touch()
    (place.folder / f"fail_final_{runs[1].name}").touch()
    ended = []
    executor = Executor(
        workplace=place, slots=[Slot()], done=lambda run, error: ended.append((run.name, error is not None))
    )
    failed = executor.carry_out(runs)
    assert sorted(failed) == sorted(run.name for run in runs[:2])
    text = str(failed[runs[0].name])
    assert f"{runs[0].name}: basicsr train ended with exit code 3." in text
    assert "line before" in text and f"boom: train_{runs[0].name}" in text and str(place.log_file(runs[0])) in text
    assert "segsr evaluate ended with exit code 3" in str(failed[runs[1].name])
    assert ended == [(runs[0].name, True), (runs[1].name, True), (runs[2].name, False)]
    for file in place.folder.glob("fail_*"):
        file.unlink()
    before = len(calls(place))
    assert executor.carry_out(runs) == {}
    assert [line.split()[2] for line in calls(place)[before:]] == [
        f"train_{runs[0].name}",
        f"final_{runs[0].name}",
        f"final_{runs[1].name}",  # was trained already
    ]
    assert [place.progress(run).attempts for run in runs] == [2, 1, 1]


def test_as_many_at_a_time_as_there_are_slots(place, deadline):
    (place.folder / "meet").touch()  # each training waits for the other one
    assert Executor(workplace=place, slots=[Slot(), Slot()]).carry_out(some_runs(1, 5)) == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_lets_trainings_save_their_states_and_leaves_no_process(place, deadline, number, monkeypatch):
    # who runs the tests may ignore some of them, as nohup does
    handlers = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,
    }
    if number == signal.SIGTERM:  # as in the background of a script, where Ctrl-C is ignored by everyone
        handlers[signal.SIGINT] = signal.SIG_IGN
    before = {one: signal.signal(one, handler) for one, handler in handlers.items()}
    runs = some_runs(1, 5, 9)
    (place.folder / "endless").touch()
    monkeypatch.setenv("STARTED_BY_TEST", f"{os.getpid()}-{number}")
    at_work, both = set(), threading.Lock()

    def report(run, iteration):
        with both:
            if iteration == 1234:
                at_work.add(run.name)
                if len(at_work) == 2:
                    os.kill(os.getpid(), number)

    try:
        with pytest.raises(KeyboardInterrupt), ended_as_interrupted():
            Executor(workplace=place, slots=[Slot(), Slot()], report=report).carry_out(runs)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert processes_with(f"STARTED_BY_TEST={os.getpid()}-{number}") == []
    assert sorted((place.folder / "stopped").read_text().split()) == sorted(f"train_{run.name}" for run in runs[:2])
    assert len(calls(place)) == 2  # the third was not started
    assert all(place.progress(run).train_seconds > 0 and not place.progress(run).trained for run in runs[:2])
    assert "State saved" in place.log_file(runs[0]).read_text()
    (place.folder / "endless").unlink()
    assert Executor(workplace=place, slots=[Slot()]).carry_out(runs) == {}


def test_other_options_than_before_are_refused_before_anything_starts(place):
    Executor(workplace=place, slots=[Slot()]).carry_out(some_runs(1))
    with pytest.raises(ConfigError, match="started with other options"):
        Executor(workplace=place, slots=[Slot()]).carry_out(some_runs(5, 1, iterations=3000))
    assert len(calls(place)) == 2


def test_an_unforeseen_error_is_not_swallowed(place):
    def fail(run, error):
        raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        Executor(workplace=place, slots=[Slot()], done=fail).carry_out(some_runs(1, 5))


def test_slots(monkeypatch):
    monkeypatch.setattr("segsr_arch.running.processes.available_cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert [slots[0].threads for slots in (cpu_slots(1), cpu_slots(6))] == [2, 1]
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert [slot.threads for slot in cpu_slots(4)] == [1] * 4
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    assert cpu_slots(2)[0].environment == {"OMP_NUM_THREADS": "3", "OMP_WAIT_POLICY": "PASSIVE"}
    assert cpu_slots(6)[0].environment == {"OMP_NUM_THREADS": "1"}
    assert cpu_slots(9)[8].threads == 1
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [slot.environment for slot in gpu_slots([0, 2])] == [
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "2"},
    ]
    assert [slot.device for slot in gpu_slots([0, 2], jobs=2)] == ["0", "2", "0", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 5, GPU-7")
    assert gpu_slots([2])[0].environment == {"CUDA_VISIBLE_DEVICES": "GPU-7"}
    for wrong in ([3], [0, 0], [-1], []):
        with pytest.raises(ConfigError, match=r"--gpus: .*torch sees 0, 1, 2"):
            gpu_slots(wrong)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(SegsrError, match="torch sees none here"):
        gpu_slots([0])
