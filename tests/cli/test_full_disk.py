"""Commands on a disk that is full, at several moments: a sentence, exit code 2, and no file that is cut short."""

import json
import os
import subprocess
from pathlib import Path

import cv2
import pytest

from segsr_arch.cli.segsr import main
from tests.cli.runs import make_options, make_pairs, run_here, write_options
from tests.support import make_image, write_image


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A disk of 2 MB; gives a function that leaves so many bytes free on it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")

    def leave(free):
        status = os.statvfs(place)
        (place / "filler").write_bytes(bytes(status.f_bavail * status.f_frsize - free))
        return place

    yield leave
    monkeypatch.chdir(tmp_path)
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def images(tmp_path):
    for index in range(4):
        write_image(tmp_path / f"gt/{index}.png", make_image(index, 96, 96))
        write_image(tmp_path / f"sr/{index}.png", make_image(index, 96, 96) // 2)
    return tmp_path


def check_whole(place):
    """No partial files, no locks, and what is there can be read."""
    for path in Path(place).rglob("*"):
        assert not path.name.endswith((".partial", ".lock", ".held")), path
        if path.suffix == ".png":
            assert cv2.imread(str(path)) is not None, path
        if path.suffix == ".json":
            json.loads(path.read_text())


@pytest.mark.parametrize("free", [0, 4096, 150_000, 500_000])
def test_prepare(disk, tmp_path, capsys, free):
    for index in range(12):
        write_image(tmp_path / f"src/c/a{index:02}.png", make_image(index, 200, 200))
    place = disk(free)
    command = ["prepare", "folder", str(tmp_path / "src"), str(place / "D"), "--patch", "8", "--jobs", "1"]
    assert main(command) == 2
    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    check_whole(place)
    assert not (place / "D/manifest.json").exists()
    (place / "filler").unlink()
    assert main([*command, "--no-lmdb"]) == 0


@pytest.mark.parametrize("free", [0, 4096, 40_000, 70_000])
def test_evaluate_with_a_report(disk, images, capsys, free):
    place = disk(free)
    arguments = ["--sr", f"A={images}/sr", "--gt", f"{images}/gt", "--protocol", "rgb", "--metric", "psnr", "--report"]
    assert main(["evaluate", *arguments, "--out", str(place / "out")]) == 2
    assert "No space left on device" in capsys.readouterr().err.splitlines()[-1]
    check_whole(place)
    if free == 0:
        assert not list(place.glob("out/A/evaluation/*"))


@pytest.mark.parametrize("free", [0, 8192, 30_000, 60_000, 120_000])
def test_train(disk, tmp_path, monkeypatch, capsys, free):
    make_pairs(tmp_path)
    opt = make_options(tmp_path, iterations=40, val_freq=3)
    opt["logger"] |= {"save_checkpoint_freq": 2, "use_tb_logger": True}
    opt["val"]["save_img"] = True
    options = write_options(tmp_path, opt)
    place = disk(free)
    assert run_here(["train", "-opt", options], monkeypatch, place) == 2
    told = capsys.readouterr().err
    assert "No space left on device" in told.splitlines()[-1] and "Traceback" not in told
    check_whole(place)
