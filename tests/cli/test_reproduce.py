import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
import torch

from segsr_arch.cli import reproduce, segsr
from segsr_arch.reproduction.paper_tables import make_table
from segsr_arch.reproduction.plan import make_plan
from segsr_arch.reproduction.prepared_data import find_data
from segsr_arch.reproduction.presets import PRESETS
from segsr_arch.reproduction.workplace import Workplace
from tests.reproduction.made import leave_run, make_settings, prepare_images, tiny_preset
from tests.support import processes_with, started

# The command with a tiny preset in place of small; its runs are processes that know nothing of that.
COMMAND = """
import sys
from segsr_arch.cli import segsr
from segsr_arch.reproduction import run_options
from segsr_arch.reproduction.presets import PRESETS
from tests.reproduction.made import tiny_preset

run_options._PRINT_FREQ = 1
PRESETS["small"] = tiny_preset()
sys.exit(segsr.main(["reproduce", *sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return prepare_images(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(PRESETS, "small", tiny_preset())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(reproduce, "available_cores", lambda: 2)
    return tmp_path


def run(*arguments):
    return segsr.main(["reproduce", *map(str, arguments)])


def leave_all(data, *, key="table4", rows=None, seeds=(0, 1), without=()):
    """Leave all runs of a table as if they had been run by the command."""
    found = find_data(data, dataset="UCM", scale=4, final_split="test")
    settings = make_settings(
        preset=tiny_preset(), data=str(found.folder), final_split="test", data_digest=found.used_digest
    )
    base = "EDSR" if key == "table4" else None
    plan = make_plan(make_table(key, base=base), settings, seeds=seeds, rows=rows)
    for one in plan.runs:
        if one.name not in without:
            leave_run(Workplace("reproduction"), one, 27.0 + one.seed / 10 + ("_u4" in one.name))
    return plan


def nobody_runs(*_, **__):
    raise AssertionError("nothing is to be run here")


def test_a_table_of_finished_runs_is_written_and_printed(work, data, capsys, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", nobody_runs)
    leave_all(data)
    assert run("table4", "--base", "EDSR", "--data", data, "--seeds", 0, 1) == 0
    shown = capsys.readouterr().out
    assert "table4 x4, preset small, 300 iterations: 8 runs, 8 done; CPU, 1 at a time with" in shown
    assert "The vision-language model of rows 2, 3, 4 has RANDOM weights" in shown
    line = "EDSR_UCM_x4_seed1: PSNR 27.1000 dB, SSIM 0.6775 (UCMerced_test, y-crop), trained 0:01:40, done before\n"
    assert line in shown
    assert "+1.0000 ± 0.0000" in shown and "Command: " in shown
    names = {path.name for path in (work / "reproduction").iterdir() if path.is_file()}
    assert names == {f"table4_EDSR_x4.{ending}" for ending in ("md", "csv", "json", "png", "pdf")}
    assert all(f"reproduction/{name}" in shown for name in names)
    found = json.loads((work / "reproduction/table4_EDSR_x4.json").read_text())
    manifest = json.loads((data / "manifest.json").read_text())
    assert found["data"]["manifest_digest"] == manifest["data_digest"]


def test_a_run_that_fails_leaves_a_table_with_a_gap_and_exit_code_1(work, data, capsys, monkeypatch):
    plan = leave_all(data, rows=[1, 2], without=["EDSR_u4_sfem_UCM_x4_random_seed1"])
    (work / "python").write_text("#!/bin/sh\necho out of luck\nexit 7\n")
    (work / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(work / "python"))
    assert run("table4", "--base", "EDSR", "--data", data, "--seeds", 0, 1, "--rows", 1, 2) == 1
    shown = capsys.readouterr()
    assert "failed: EDSR_u4_sfem_UCM_x4_random_seed1: basicsr train ended with exit code 7." in shown.err
    assert "out of luck" in shown.err
    assert "Missing in row 2: seed 1: failed: EDSR_u4_sfem_UCM_x4_random_seed1: basicsr train ended" in shown.out
    text = (work / "reproduction/table4_EDSR_x4_rows1-2.md").read_text()
    assert "| 2 | SFEM |" in text and "| 1 |\n" in text and len(plan.runs) == 4


def test_one_damaged_record_keeps_no_other_figure_from_the_table(work, data, capsys, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", nobody_runs)
    one, *_ = leave_all(data, rows=[1, 2]).runs
    (Workplace("reproduction").evaluation_folder(one) / "evaluation.json").write_text("{")
    assert run("table4", "--base", "EDSR", "--data", data, "--seeds", 0, 1, "--rows", 1, 2) == 1
    shown = capsys.readouterr()
    assert f"failed: The figures of {one.name} cannot be read; remove " in shown.err
    assert f"Missing in row 1: seed 0: failed: The figures of {one.name}" in shown.out
    found = json.loads((work / "reproduction/table4_EDSR_x4_rows1-2.json").read_text())
    assert [len(row["runs"]) for row in found["rows"]] == [1, 2]


def test_a_dry_run_writes_nothing_and_estimates_what_is_left(work, data, capsys):
    leave_all(data, rows=[1], seeds=[0])
    before = sorted(work.rglob("*"))
    assert run("table4", "--base", "EDSR", "--data", data, "--rows", 1, 2, "--seeds", 0, 1, "--dry-run") == 0
    shown = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith("EDSR_")}
    assert lines["EDSR_UCM_x4_seed0"] == ["300", "done", "-", "-"]
    assert lines["EDSR_UCM_x4_seed1"][:3] == ["300", "not", "started"]
    assert re.search(r"Together at least 0:0\d:\d\d with 2 at a time. A rough lower estimate", shown)
    assert sorted(work.rglob("*")) == before


def test_a_dry_run_elsewhere_makes_no_folder(work, data, capsys):
    assert run("table4", "--base", "EDSR", "--data", data, "--rows", 1, "--dry-run", "--out", "other") == 0
    assert "EDSR_UCM_x4_seed0         300  not started" in capsys.readouterr().out
    assert list(work.iterdir()) == []


def test_the_list(capsys):
    assert run("--list") == 0
    shown = capsys.readouterr().out
    assert "table7: Other networks, and the number of units (table VII); UCM, x2, x4" in shown
    assert re.search(r"\n   4  SFEM \+ SLM \+ LMM +HAT_u6\n", shown)
    assert "full: LR patches of 64 x 64, batch 4, iterations UCM 80000, AID 120000" in shown
    assert re.search(r"  2  guide, VLM pretrained +HAT_u6, weights pretrained", shown)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give a table and --data DIR"),
        (("table4", "--data", "DATA", "--scale", 2), "--scale: table4 has x4, not x2"),
        (("table7", "--data", "DATA", "--scale", 2), "--data: .* has x4, not x2"),
        (("table4", "--data", "DATA", "--rows", 7), "--rows: give different numbers of rows of table4"),
        (("table4", "--data", "DATA", "--iters", 0), "--iters: must be at least 1, got 0"),
        (("table4", "--data", "DATA", "--jobs", 0, "--base", "EDSR"), "--jobs: must be at least 1, got 0"),
        (("table7", "--data", "DATA", "--base", "EDSR"), "--base: table7 names its networks itself"),
        (
            ("table4", "--data", "gone"),
            "gone does not exist. Prepare the images first: segsr prepare ucmerced SRC gone",
        ),
        (
            ("table4", "--data", "DATA", "--vlm-pretrained", "vit.pt"),
            r"--vlm-pretrained: the file vit.pt does not exist",
        ),
        (("table4", "--data", "DATA", "--vlm", "./vit"), r"--vlm: the file ./vit does not exist"),
    ],
)
def test_what_is_wrong_is_told_at_once(work, data, capsys, arguments, message):
    assert run(*(data if one == "DATA" else one for one in arguments)) == 2
    assert re.search(f"error: .*{message}", capsys.readouterr().err)
    assert list(work.iterdir()) == []


def test_files_are_named_so_that_the_runs_find_them(work, data, monkeypatch):
    (work / "vlm.json").write_text(json.dumps(tiny_preset().semantics["vlm"]))
    (work / "weights.pt").touch()
    seen = []
    monkeypatch.setattr(reproduce, "check_plan", lambda plan, **_: seen.append(plan) or plan)
    monkeypatch.setattr(reproduce, "print_estimate", lambda *_, **__: None)
    given = ("--vlm", "vlm.json", "--vlm-pretrained", "weights.pt", "--dry-run", "--data", os.path.relpath(data))
    assert run("table4", "--rows", 4, *given) == 0
    (one,) = seen[0].runs
    assert one.train["network_g"]["semantics"]["vlm"] == str(work / "vlm.json")
    assert one.train["network_g"]["semantics"]["pretrained"] == str(work / "weights.pt")
    assert one.train["datasets"]["val"]["dataroot_gt"] == str(data.resolve() / "val/HR_x4.lmdb")
    assert one.name == "HAT_u6_UCM_x4_vlm_weights_seed0"
    assert run("table4", "--rows", 4, "--vlm", "ViT-B-32", "--vlm-pretrained", "openai", *given[4:]) == 0
    assert seen[1].runs[0].train["network_g"]["semantics"]["pretrained"] == "openai"


def test_devices(work, data, monkeypatch, capsys):
    monkeypatch.setattr(reproduce, "print_estimate", lambda *_, **__: None)
    monkeypatch.setattr(reproduce, "check_plan", lambda plan, **_: plan)
    arguments = ("table4", "--base", "EDSR", "--data", data, "--dry-run", "--seeds", 0, 1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for given, words in (
        ((), "CPU, 2 at a time with 1 thread each"),
        (("--jobs", 1), "CPU, 1 at a time with 2 threads each"),
    ):
        monkeypatch.setattr("segsr_arch.running.processes.available_cores", lambda: 2)
        assert run(*arguments, *given) == 0 and words in capsys.readouterr().out
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert run(*arguments) == 0 and "GPU 0; in" in capsys.readouterr().out
    assert run(*arguments, "--gpus", 0, 1) == 0 and "GPU 0, GPU 1; in" in capsys.readouterr().out
    assert run(*arguments, "--gpus", 0, 1, "--jobs", 3) == 0
    assert "GPU 0, GPU 1, 3 at a time on each; in" in capsys.readouterr().out
    assert run(*arguments, "--jobs", 2) == 0 and "CPU, 2 at a time" in capsys.readouterr().out
    assert run(*arguments, "--gpus", 2) == 2 and "torch sees 0, 1" in capsys.readouterr().err


def logged(folder):
    """How often each iteration of each run was trained, from everything that the runs printed."""
    return {
        path.stem: Counter(map(int, re.findall(r"epoch:\s*\d+, iter:\s*(\d+), lr", path.read_text())))
        for path in (folder / "logs").glob("*.log")
    }


def start(work, *arguments):
    command = [sys.executable, "-c", COMMAND, *arguments]
    return started(command, cwd=work, seconds=280, stderr=subprocess.STDOUT, MARK_OF_RUN=str(work))


def interrupt(work, signum, *arguments):
    """Start the command, and send a signal when both runs have gone on; returns the iterations that were saved."""
    before = {name: max(counts) for name, counts in logged(work / "out").items()}
    with start(work, *arguments) as process:
        while sum(max(at, default=0) >= before.get(run, 0) + 5 for run, at in logged(work / "out").items()) < 2:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.02)
        process.send_signal(signum)
        output = process.communicate()[0]
        left = processes_with(f"MARK_OF_RUN={work}")
    assert process.returncode == 130, output
    assert "Interrupted. Trainings have saved their states, finished runs are kept; the same command goes on." in output
    assert "Traceback" not in output and left == []
    saved = r"after iteration (\d+)\. State saved"
    return {path.stem: int(re.findall(saved, path.read_text())[-1]) for path in (work / "out/logs").glob("*.log")}


@pytest.mark.slow
def test_two_interruptions_and_an_end(tmp_path, data):
    """Ctrl-C, SIGTERM, and a call that finishes; the state of each stop is where the next call goes on."""
    arguments = ("table4", "--base", "EDSR", "--rows", "1", "2", "--data", data, "--out", "out", "--jobs", "2")
    stops = [interrupt(tmp_path, signum, *arguments) for signum in (signal.SIGINT, signal.SIGTERM)]
    assert not (tmp_path / "out/table4_EDSR_x4_rows1-2.md").exists()
    with start(tmp_path, *arguments) as process:
        output = process.communicate()[0]
    assert process.returncode == 0, output
    names = ["EDSR_UCM_x4_seed0", "EDSR_u4_sfem_UCM_x4_random_seed0"]
    trained = logged(tmp_path / "out")
    assert sorted(trained) == names
    for name in names:
        saved = [stop[name] for stop in stops]
        assert 5 <= saved[0] < saved[1] < 300
        # Each iteration once; the log may lack the one in which the signal came.
        assert set(trained[name].values()) == {1} and set(range(1, 301)) - set(trained[name]) <= set(saved)
        log = (tmp_path / f"out/logs/{name}.log").read_text()
        assert (log.count("$ basicsr train"), log.count("$ segsr evaluate")) == (3, 1)
    found = json.loads((tmp_path / "out/table4_EDSR_x4_rows1-2.json").read_text())
    plain, guided = found["rows"]
    assert all(5 < plain["figures"][column]["mean"] < 40 for column in ("psnr_y-crop", "psnr_rgb-crop"))
    assert guided["difference"]["over_images"]["n"] == 3 and guided["difference"]["over_seeds"]["std"] is None
    assert guided["cost"]["trainable"] > plain["cost"]["trainable"] and plain["train_seconds"] > 0
    (of_plain,) = plain["runs"]
    assert (of_plain["attempts"], of_plain["trained_on"]) == (3, "CPU, 1 thread")
    assert of_plain["checkpoint"]["path"].endswith("net_g_best.pth")
    assert found["measured_on"] == "UCMerced_test" and found["missing"] == []
    assert "RANDOM WEIGHTS in the vision-language model of row 2" in output
    assert output.count("(UCMerced_test, y-crop), trained 0:0") == 2
    assert (tmp_path / "out/table4_EDSR_x4_rows1-2.png").stat().st_size > 10_000
