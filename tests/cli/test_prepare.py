import argparse
import json
import os
import signal
import sys
import time

import pytest

from segsr_arch.cli.prepare import add_parser
from segsr_arch.errors import DataError
from tests.data.test_preparation import make_source, snapshot
from tests.support import SHARED_DATA, make_image, started, write_image


def run(*arguments):
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["prepare", *(str(argument) for argument in arguments)])
    return args.run(args)


def test_folder_run_and_second_run(tmp_path, capsys):
    source = make_source(tmp_path / "src")
    command = ("folder", source, tmp_path / "dst", "--scale", 2, 4, "--patch", 8, "--jobs", 2)
    assert run(*command) == 0
    out = capsys.readouterr().out
    assert "x2: train 8, val 0, test 2; written now 10, done before 0" in out
    assert "found in the source" not in out
    assert run(*command) == 0
    assert "nothing to do: everything was done before" in capsys.readouterr().out


def test_problems_are_summed_up(tmp_path, capsys):
    source = make_source(tmp_path / "src")
    for number in range(5):
        (source / f"a/note{number}.txt").write_text("hello")
    assert run("folder", source, tmp_path / "dst", "--patch", 8) == 0
    out = capsys.readouterr().out
    assert "stray file: 5" in out and "a/note0.txt: not an image in its place; ignored" in out
    assert "and 2 more, all in manifest.json" in out
    with pytest.raises(DataError, match=r"a/note0\.txt: stray file"):
        run("folder", source, tmp_path / "strict", "--patch", 8, "--strict")


def test_aid_defaults(tmp_path):
    for number in range(1, 31):
        write_image(tmp_path / f"AID/Airport/airport_{number}.jpg", make_image(number, 40, 40))
    assert run("aid", tmp_path / "AID", tmp_path / "dst", "--patch", 8) == 0
    counts = json.loads((tmp_path / "dst/manifest.json").read_text())["counts"]
    assert {split: part["images"] for split, part in counts.items()} == {"train": 19, "val": 5, "test": 6}


def test_split_files(tmp_path):
    source = make_source(tmp_path / "src")
    (tmp_path / "t.txt").write_text("a/a00\na/a01\n")
    (tmp_path / "v.txt").write_text("b/b02.png\n")
    lists = ("--split", f"train={tmp_path / 't.txt'}", f"val={tmp_path / 'v.txt'}")
    assert run("folder", source, tmp_path / "dst", "--patch", 8, *lists) == 0
    assert (tmp_path / "dst/splits/train.txt").read_text() == "a/a00\na/a01\n"
    assert (tmp_path / "dst/splits/val.txt").read_text() == "b/b02\n"
    assert (tmp_path / "dst/splits/test.txt").read_text() == ""
    with pytest.raises(DataError, match="given twice"):
        run("folder", source, tmp_path / "dst", "--split", lists[1], lists[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scale", "1"), "'1' is not a whole number from 2 to 16"),
        (("--split", "training=a.txt"), "expected train=FILE"),
        (("--jobs", "0"), "'0' is not a whole number from 1"),
        (("--val", "1.5"), "neither a fraction below 1 nor a whole number"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit):
        run("folder", tmp_path, tmp_path / "dst", *arguments)
    assert message in capsys.readouterr().err


def test_a_range_that_falls_is_refused(tmp_path):
    with pytest.raises(DataError, match="the first value must be the smaller one"):
        run("folder", tmp_path, tmp_path / "dst", "--range", 100, 0)


def test_a_part_of_ucmerced_works_with_one_warning(tmp_path, capsys):
    folder = SHARED_DATA / "ucmerced"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    for group in ("airplane", "harbor"):
        (tmp_path / "src/Images" / group).mkdir(parents=True)
        for number in ("01", "02", "28", "36", "59", "79"):
            path = folder / "Images" / group / f"{group}{number}.webp"
            if path.is_file():
                os.symlink(path, tmp_path / "src/Images" / group / path.name)
    assert run("ucmerced", tmp_path / "src", tmp_path / "dst") == 0
    captured = capsys.readouterr()
    warnings = [line for line in captured.err.replace("\r", "\n").splitlines() if line.startswith("warning")]
    assert len(warnings) == 1 and "of the 2100 listed images are not in the source (agricultural" in warnings[0]
    # airplane59 is 253 x 256 and on the training list: too small for a patch of 256.
    assert "airplane59.webp: 253 x 256 pixels, and train at x4 needs 256" in captured.out
    manifest = json.loads((tmp_path / "dst/manifest.json").read_text())
    assert manifest["identical"] == [["airplane/airplane01", "airplane/airplane02"]]


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tmp_path):
    source = make_source(tmp_path / "src", count=30, size=200)
    command = [sys.executable, "-m", "segsr_arch.cli.segsr", "prepare", "folder", str(source), str(tmp_path / "dst")]
    command += ["--scale", "2", "4", "--patch", "8", "--jobs", "2"]
    with started(command, cwd=tmp_path) as process:
        while process.poll() is None and not list((tmp_path / "dst").glob("train/LR_x4/*.png")):
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)  # what a terminal sends on Ctrl-C: to the workers as well
        _, err = process.communicate()
    assert process.returncode == 130
    assert "What was finished is kept; run the same command to go on." in err
    assert "Traceback" not in err
    assert run(*command[4:]) == 0
    assert run("folder", source, tmp_path / "whole", "--scale", 2, 4, "--patch", 8) == 0
    assert snapshot(tmp_path / "dst") == snapshot(tmp_path / "whole")


@pytest.mark.parametrize("name", ["ucmerced", "aid", "folder"])
def test_help_names_the_source(name, capsys):
    with pytest.raises(SystemExit) as stop:
        run(name, "--help")
    assert stop.value.code == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "SRC is" in out and "--no-lmdb" in out and "Split: " in out
