import errno
import os

import cv2
import numpy as np
import pytest
from basicsr.utils import imwrite

from segsr_arch.errors import SaveError
from tests.cli.runs import make_options, make_pairs, run_here, write_options
from tests.support import make_image


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.bmp", "a.jpg", "deep/er/a.tif"])
def test_an_image_is_what_opencv_writes(tmp_path, name):
    image = make_image(0)
    imwrite(image, str(tmp_path / name))
    cv2.imwrite(str(tmp_path / f"stock{name[-4:]}"), image)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"stock{name[-4:]}").read_bytes()


def test_parameters_reach_opencv(tmp_path):
    for quality in (10, 90):
        imwrite(make_image(0), str(tmp_path / f"{quality}.jpg"), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert (tmp_path / "10.jpg").stat().st_size < (tmp_path / "90.jpg").stat().st_size / 2


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    imwrite(make_image(0), str(path))
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(SaveError, match=r"Cannot write .*/a\.png: No space left on device .*previous file"):
        imwrite(make_image(1), str(path))
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("image", "name", "message"),
    [
        (make_image(0), "a.xyz", "Cannot write .*a.xyz: OpenCV refuses it"),
        (np.zeros((4, 4, 5), np.uint8), "a.png", "Cannot write .*a.png: OpenCV"),
        (make_image(0), "file/a.png", "Cannot write .*file/a.png: its folder cannot be made"),
    ],
)
def test_what_cannot_be_saved_is_named(tmp_path, image, name, message):
    (tmp_path / "file").touch()
    with pytest.raises(SaveError, match=message):
        imwrite(image, str(tmp_path / name))
    assert os.listdir(tmp_path) == ["file"]


def test_a_validation_on_a_full_disk_ends_with_the_image_named(tmp_path, monkeypatch, capsys):
    make_pairs(tmp_path, count=2)
    opt = make_options(tmp_path, iterations=2, val_freq=2)
    opt["val"]["save_img"] = True
    write_options(tmp_path, opt)
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: full_disk() if is_image(file) else fsync(file))
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, tmp_path) == 2
    assert "00_2.png: No space left on device" in capsys.readouterr().err.split("error: ")[-1]
    experiment = tmp_path / "experiments/tiny"
    assert list((experiment / "visualization/00").iterdir()) == []
    assert [path.name for path in (experiment / "training_states").iterdir()] == ["2.state"]


def is_image(descriptor):
    return ".png." in os.readlink(f"/proc/self/fd/{descriptor}")
