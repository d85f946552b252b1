import json
import os
import signal
import sys
import time
import unicodedata

import pytest

from segsr_arch.cli import segsr
from segsr_arch.errors import ConfigError, DataError
from tests.preparation.test_preparation import make_source, snapshot
from tests.support import SHARED_DATA, make_image, started, write_image


def run(*arguments):
    return segsr.run(segsr.build_parser().parse_args(["prepare", *map(str, arguments)]))


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
    with pytest.raises(ConfigError, match="--range LO HI: expected two values, the smaller one first"):
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


def make_tree(root, **counts):
    """Folders of a split with two classes each; no two images are the same."""
    seed = 0
    for folder, count in counts.items():
        for group in ("beach", "forest"):
            for number in range(count):
                seed += 1
                write_image(root / folder / group / f"{group}_{number}.png", make_image(seed, 40, 40))
    return root


@pytest.mark.parametrize(
    "folders", [("train", "val", "test"), ("Training", "VALIDATION", "testing"), ("train", "dev", "test")]
)
@pytest.mark.parametrize("kind", ["folder", "aid"])
def test_a_tree_keeps_its_own_split(tmp_path, capsys, folders, kind):
    source = make_tree(tmp_path / "wrap/tree", **dict(zip(folders, (3, 2, 1), strict=True)))
    assert run(kind, source.parent, tmp_path / "dst", "--patch", 8) == 0
    out = capsys.readouterr().out
    assert "x4: train 6, val 4, test 2;" in out
    assert f"split: the folders {', '.join(sorted(folders))} of the source (--no-split makes them classes)" in out
    manifest = json.loads((tmp_path / "dst/manifest.json").read_text())
    for image in manifest["images"]:
        folder, group, _ = image["listed"].split("/")
        assert image["split"] == ("train", "val", "test")[folders.index(folder)] and image["class"] == group
    assert manifest["counts"]["train"]["by_class"] == {"beach": 3, "forest": 3}
    assert run(kind, source.parent, tmp_path / "dst", "--patch", 8) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_without_its_own_split_the_folders_of_a_tree_are_classes(tmp_path, capsys):
    source = make_tree(tmp_path / "tree", train=10, test=10)
    assert run("folder", source, tmp_path / "dst", "--patch", 8, "--no-split", "--val", 0) == 0
    assert "split:" not in capsys.readouterr().out
    counts = json.loads((tmp_path / "dst/manifest.json").read_text())["counts"]
    assert counts["test"]["by_class"] == dict.fromkeys(("test/beach", "test/forest", "train/beach", "train/forest"), 2)


def test_lists_of_a_prepared_tree_give_the_same_split_again(tmp_path):
    source = make_tree(tmp_path / "tree", train=3, val=1, test=1)
    assert run("folder", source, tmp_path / "first", "--patch", 8) == 0
    lists = [f"{split}={tmp_path / 'first/splits' / split}.txt" for split in ("train", "val", "test")]
    assert run("folder", source, tmp_path / "second", "--patch", 8, "--split", *lists) == 0
    first, second = (json.loads((tmp_path / name / "manifest.json").read_text()) for name in ("first", "second"))
    assert first["split_digests"] == second["split_digests"]


def test_what_only_looks_like_a_split_is_refused_or_made_of_classes(tmp_path):
    source = make_tree(tmp_path / "tree", train=3, test=3)
    with pytest.raises(DataError, match="the folders test, train are the split, .* --val, .*--no-split"):
        run("folder", source, tmp_path / "dst", "--patch", 8, "--val", 0.2)
    write_image(source / "bus/bus1.png", make_image(99, 40, 40))
    with pytest.raises(
        DataError, match="test and train look like a split, but bus/bus1.png lies in none of them.*--no"
    ):
        run("folder", source, tmp_path / "dst", "--patch", 8)
    vehicles = make_tree(tmp_path / "vehicles", train=3, bus=3)
    assert run("folder", vehicles, tmp_path / "other", "--patch", 8) == 0
    counts = json.loads((tmp_path / "other/manifest.json").read_text())["counts"]
    assert counts["train"]["by_class"] == {
        f"{top}/{name}": 3 for top in ("bus", "train") for name in ("beach", "forest")
    }


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_lists_of_other_editors_and_systems_are_read(tmp_path, capsys, encoding):
    source = make_source(tmp_path / "src")
    write_image(source / "a" / (unicodedata.normalize("NFD", "forêt") + ".png"), make_image(7, 48, 48))
    (tmp_path / "t.txt").write_bytes("a\\a00.png\r\na\\forêt\r\nb/bO1\r\n".encode(encoding))
    assert run("folder", source, tmp_path / "dst", "--patch", 8, "--split", f"train={tmp_path / 't.txt'}") == 0
    output = capsys.readouterr()
    assert "x4: train 2, val 0, test 0" in output.out
    assert "1 of the 3 listed images are not in the source (b/bO1; the nearest is b/b01: character 4 is O" in output.err
    with pytest.raises(DataError, match="--seed: is for the seeded rule, and --split says"):
        run("folder", source, tmp_path / "x", "--split", f"train={tmp_path / 't.txt'}", "--seed", 1)


def test_an_lmdb_that_was_cut_short_is_built_again(tmp_path, capsys):
    source = make_source(tmp_path / "src")
    command = ("folder", source, tmp_path / "dst", "--patch", 8)
    assert run(*command) == 0
    before = snapshot(tmp_path / "dst")
    data = tmp_path / "dst/train/HR_x4.lmdb/data.mdb"
    os.truncate(data, data.stat().st_size // 2)
    assert run(*command) == 0
    assert snapshot(tmp_path / "dst") == before


@pytest.mark.parametrize(
    "line",
    [
        '[["lmdb", "../../victim"], {"content": ""}]',
        '[["lmdb", "/"], {"content": ""}]',
        '[["made", "..", "4", "x"], {}]',
        '[["made", "train", "4", "../../../victim/file"], {}]',
        '["lmdb", {}]',
    ],
)
def test_a_journal_that_names_places_elsewhere_deletes_nothing(tmp_path, line):
    source = make_source(tmp_path / "src")
    command = ("folder", source, tmp_path / "dst", "--patch", 8, "--no-lmdb")
    assert run(*command) == 0
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file.png").write_text("precious")
    with open(tmp_path / "dst/.prepare/journal.jsonl", "a") as journal:
        journal.write(f"{line}\n")
    with pytest.raises(DataError, match=r"journal\.jsonl, line \d+: is not what segsr prepare writes"):
        run(*command)
    assert (victim / "file.png").read_text() == "precious"
