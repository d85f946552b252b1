"""What any command says when the machine refuses something: a sentence and an exit code, for a defect its traceback."""

import errno
import logging
import os
import pathlib
import sys
import threading

import pytest
import torch

from segsr_arch.cli import basicsr, report, segsr, stock_runs
from segsr_arch.cli.failures import tell_failure, told_once
from segsr_arch.errors import DataError, SaveError
from segsr_arch.files import locking
from tests.cli.runs import make_options, make_pairs, run_here, write_options
from tests.support import make_image, write_image


def refusal(number, path=None):
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("a.png is broken; replace it"), "error: a.png is broken; replace it\n"),
        (refusal(errno.ENOSPC, "/d/a.png"), "error: /d/a.png: No space left on device. Free some space, or choose "),
        (refusal(errno.EROFS, "/d"), "error: /d: Read-only file system. Choose a folder that can be written to. ("),
        (refusal(errno.EACCES, b"/d"), "error: /d: Permission denied. Change the permissions"),
        (refusal(errno.ENAMETOOLONG, "n"), "error: n: File name too long. Choose a shorter name."),
        (refusal(errno.EMFILE), "error: Too many open files. Raise the limit (ulimit -n: open files"),
        (refusal(errno.EIO, "/d"), "error: /d: Input/output error. (SEGSR_TRACEBACK=1 shows where it happened.)"),
        (OSError("Caught OSError in worker\nTraceback\nOSError: no such luck"), "error: no such luck. (SEGSR_"),
        (MemoryError("9 GiB"), "error: There is not enough memory (9 GiB). Use smaller images, a smaller batch"),
        (torch.OutOfMemoryError("CUDA out of memory"), "error: There is not enough memory (CUDA out of memory)."),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "error: There is not enough memory (D"),
        (RuntimeError("can't start new thread"), "error: No more threads can be started. Raise the limit"),
    ],
)
def test_what_a_user_can_mend_is_a_sentence(error, message, capsys, monkeypatch):
    monkeypatch.delenv("SEGSR_TRACEBACK", raising=False)
    assert tell_failure(error) == 2
    told = capsys.readouterr().err
    assert told.startswith(message) and "\nTraceback" not in told


def test_the_traceback_is_there_for_those_who_want_it(capsys, monkeypatch):
    monkeypatch.setenv("SEGSR_TRACEBACK", "1")
    try:
        raise SaveError("no room")
    except SaveError as error:
        assert tell_failure(error) == 2
    told = capsys.readouterr().err
    assert told.startswith("Traceback") and told.endswith("error: no room\n") and "test_command_failures" in told


@pytest.mark.parametrize("error", [ZeroDivisionError("a"), KeyError("b"), RuntimeError("c"), TypeError("d")])
def test_a_defect_is_left_to_python(error, capsys):
    assert tell_failure(error) is None
    assert capsys.readouterr().err == ""


def test_both_commands_end_so(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise refusal(errno.EROFS, "/d")

    monkeypatch.setattr(report, "run", fail)
    assert segsr.main(["report", "x"]) == 2
    monkeypatch.setattr(stock_runs, "read_run_options", fail)
    assert basicsr.main(["train", "-opt", "x"]) == basicsr.main(["test", "-opt", "x"]) == 2
    assert capsys.readouterr().err.count("error: /d: Read-only file system.") == 3


@pytest.mark.parametrize("run", [segsr.main, basicsr.main])
def test_nobody_to_read_the_output_is_no_failure(monkeypatch, capsys, run):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run(["--help"]) == 141
        stream.write("more, into nothing")
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_an_output_that_is_full_is_told(monkeypatch, capsys):
    with open("/dev/full", "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert segsr.main(["evaluate", "--list"]) == 2
    assert capsys.readouterr().err.startswith("error: No space left on device. Free some space")


def test_a_log_that_cannot_be_written_is_told_once(tmp_path, capsys):
    class Full(logging.StreamHandler):
        baseFilename = "run.log"

        def format(self, record):
            raise refusal(errno.ENOSPC)

    logger = logging.Logger("full")
    logger.addHandler(Full())
    with told_once():
        for _ in range(3):
            logger.warning("line")
    told = "warning: run.log cannot be written (No space left on device); it is not whole.\n"
    assert capsys.readouterr().err == told
    assert logging.Handler.handleError.__module__ == "logging"


def evaluate(folder, *arguments):
    return ["evaluate", "--sr", "A=sr", "--gt", "gt", "--protocol", "rgb", "--metric", "psnr", *arguments]


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(locking, "PATIENCE", 0.1)
    for index in range(2):
        write_image(tmp_path / f"gt/{index}.png", make_image(index))
        write_image(tmp_path / f"sr/{index}.png", make_image(index) // 2)
        write_image(tmp_path / f"other/{index}.png", make_image(index) // 3)
    return tmp_path


def test_a_second_evaluation_of_a_method_is_refused_and_others_are_not(images, capsys):
    with locking.locked("results/A"):
        assert segsr.main(evaluate(images)) == 2
        assert f"error: {images}/results/A is in use by process {os.getpid()} (" in capsys.readouterr().err
        assert not list(images.glob("results/A*"))
        assert segsr.main(evaluate(images, "--sr", "B=sr", "--out", "elsewhere")) == 0
    assert segsr.main(evaluate(images)) == 0
    assert sorted(os.listdir(images / "results")) == ["A"]


@pytest.mark.parametrize(
    ("held", "argv"),
    [
        ("report.html", ["report", "results"]),
        ("results/comparison/gt", ["compare", "results"]),
        ("drawn", ["figure", "compare", "results", "--region", "0", "0", "8", "8", "--out", "drawn.png"]),
    ],
)
def test_what_is_written_from_evaluations_is_locked(images, capsys, held, argv):
    assert segsr.main(evaluate(images, "--sr", "B=other")) == 0
    with locking.locked(held):
        assert segsr.main(argv) == 2
        assert f"{images / held} is in use by process" in capsys.readouterr().err
    assert segsr.main(argv) == 0


def test_a_second_training_stops_before_the_first_ones_folder_is_renamed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(locking, "PATIENCE", 0.1)
    make_pairs(tmp_path)
    write_options(tmp_path, make_options(tmp_path, iterations=2))
    (tmp_path / "experiments/tiny").mkdir(parents=True)
    with locking.locked(tmp_path / "experiments/tiny"):
        assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, tmp_path) == 2
    assert f"experiments/tiny is in use by process {os.getpid()}" in capsys.readouterr().err
    assert os.listdir(tmp_path / "experiments") == ["tiny"] and os.listdir(tmp_path / "experiments/tiny") == []
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, tmp_path) == 0
    assert sorted(name[:14] for name in os.listdir(tmp_path / "experiments")) == ["tiny", "tiny_archived_"]


@pytest.mark.parametrize("command", ["train", "test"])
def test_where_nothing_can_be_written_a_run_says_so(tmp_path, monkeypatch, capsys, command):
    make_pairs(tmp_path)
    opt = make_options(tmp_path, iterations=2, val_freq=2)
    if command == "test":
        opt = {**opt, "datasets": {"test": opt["datasets"]["val"]}, "val": {"save_img": False, "suffix": None}}
        del opt["train"], opt["logger"]
    write_options(tmp_path, opt)
    for place in (os, getattr(pathlib, "_NormalAccessor", os)):  # up to Python 3.10 pathlib keeps its own name of it
        monkeypatch.setattr(place, "mkdir", lambda path, *_: (_ for _ in ()).throw(refusal(errno.EROFS, path)))
    assert run_here([command, "-opt", "tiny.yml"], monkeypatch, tmp_path) == 2
    told = capsys.readouterr().err
    assert "/tiny: cannot be written to (Read-only file system); choose another folder." in told
    assert "Traceback" not in told


def test_a_thread_that_the_disk_refuses_prints_nothing_of_its_own(capsys, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)  # not pytest's

    def fail(error):
        raise error

    with told_once():
        for error in (refusal(errno.ENOSPC), ValueError("a defect")):
            thread = threading.Thread(target=fail, args=(error,))
            thread.start()
            thread.join()
    told = capsys.readouterr().err
    assert "a defect" in told and "No space" not in told


def test_tensorboard_on_a_full_disk_is_named(tmp_path, monkeypatch, capsys):
    from tensorboard.compat.tensorflow_stub.io.gfile import LocalFileSystem

    def refuse(*_):
        raise refusal(errno.ENOSPC)

    make_pairs(tmp_path)
    opt = make_options(tmp_path, iterations=2)
    opt["logger"]["use_tb_logger"] = True
    write_options(tmp_path, opt)
    monkeypatch.setattr(LocalFileSystem, "_write", refuse)
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, tmp_path) == 2
    told = capsys.readouterr().err
    assert "error: TensorBoard's log: No space left on device. Free some space" in told and "Traceback" not in told
