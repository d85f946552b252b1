"""Commands whose disk is full at some moment: a sentence, nothing half-written, and afterwards they go on."""

import contextlib
import itertools
import json
import os
import subprocess
from pathlib import Path

import cv2
import pytest
import torch
from basicsr.archs import build_network
from PIL import Image

from tests.campaign.children import basicsr, in_child, segsr
from tests.campaign.killing import partial, unreadable
from tests.campaign.tally import dice, shared
from tests.cli.runs import make_options, make_pairs, write_options
from tests.preparation.test_preparation import make_source
from tests.scenes.jobs import random_values
from tests.scenes.rasters import write_raster
from tests.support import write_image

pytestmark = [pytest.mark.campaign, pytest.mark.slow]
WHAT = "full disks"
ROOMY = 200 << 20
SECONDS = 120
_serial = itertools.count()


@contextlib.contextmanager
def disk(place, size):
    """An empty disk of so many bytes, mounted at a folder."""
    place.mkdir(exist_ok=True)
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"a small disk cannot be mounted here ({made.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def grow(place):
    subprocess.run(["mount", "-o", f"remount,size={ROOMY}", place], check=True)


def used(place):
    status = os.statvfs(place)
    return (status.f_blocks - status.f_bfree) * status.f_frsize


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """What the commands read, on a disk that is not full: images, options, SR images."""
    folder = tmp_path_factory.mktemp("inputs")
    make_source(folder / "src", count=12, size=64)
    make_pairs(folder / "pairs", count=6, size=64)
    write_raster(folder / "scene.tif", random_values(0, (3, 300, 200), "uint8"))
    for path in (folder / "pairs/HR").iterdir():
        for sigma in (1, 2):
            image = cv2.GaussianBlur(cv2.imread(str(path)), (5, 5), sigma)
            write_image(folder / f"sr{sigma}" / path.name, image)
    opt = make_options(folder / "pairs", iterations=8, val_freq=4)
    opt["model_type"] = "SeGSRModel"
    opt["logger"]["save_checkpoint_freq"] = 2
    opt["val"]["save_img"] = True
    write_options(folder, opt, "train.yml")
    torch.save({"params": build_network(dict(opt["network_g"])).state_dict()}, folder / "net.pth")
    test = {key: opt[key] for key in ("model_type", "scale", "num_gpu", "network_g")}
    datasets = {"test": {**opt["datasets"]["val"], "name": "few"}}
    write_options(
        folder,
        {
            "name": "tiny",
            **test,
            "datasets": datasets,
            "path": {"pretrain_network_g": str(folder / "net.pth")},
            "val": {**opt["val"], "suffix": None},
        },
        "test.yml",
    )
    return folder


def command(name, inputs):
    """One of the commands that write: its program and arguments."""
    pairs = inputs / "pairs"
    methods = [part for sigma in (1, 2) for part in ("--sr", inputs / f"sr{sigma}")]
    evaluate = ("evaluate", *methods, "--gt", pairs / "HR", "--scale", 2, "--out", "out")
    return {
        "prepare": (segsr, "prepare", "folder", inputs / "src", "dst", "--patch", 8, "--jobs", 1),
        "train": (basicsr, "train", "-opt", inputs / "train.yml", "--auto_resume"),
        "test": (basicsr, "test", "-opt", inputs / "test.yml"),
        "evaluate": (segsr, *evaluate),
        "report": (segsr, *evaluate, "--report"),
        "export": (segsr, "export", "-opt", inputs / "test.yml", "--precision", "fp32"),
        "upscale": (segsr, "upscale", inputs / "scene.tif", "out/up.tif", "--model", "bicubic:4"),
    }[name]


def damaged(place):
    """A line for each file that is there and cannot be read whole."""
    lines = unreadable(place)
    for path in Path(place).rglob("*"):
        try:
            if path.suffix in (".png", ".jpg"):
                Image.open(path).load()
            elif path.suffix == ".json":
                json.loads(path.read_text(encoding="utf-8"))
        except Exception as error:
            lines.append(f"{path}: {error}")
    return lines


@pytest.mark.parametrize("name", ["prepare", "train", "test", "evaluate", "report", "export", "upscale"])
def test_a_full_disk_is_a_sentence_and_costs_nothing_that_was_whole(tally, tmp_path, inputs, name):
    def attempt(place):
        return in_child(*command(name, inputs), cwd=place, seconds=SECONDS)

    with disk(tmp_path / f"disk{next(_serial)}", ROOMY) as place:
        whole = attempt(place)
        assert whole.code == 0, whole.output[-2000:]
        needed = used(place)
    random = dice("disk", name)
    for number in range(shared(5)):
        size = max(1, int(needed * random.uniform(0.02, 0.95)) >> 12) << 12
        bad = []
        with disk(tmp_path / f"disk{next(_serial)}", size) as place:
            ended = attempt(place)
            # 1: a report without one of its figures, which is told
            told = ended.code in (1, 2) and ("No space left" in ended.output or "error: " in ended.output)
            if not told or "Traceback" in ended.output:
                bad.append(f"exit {ended.code}: {ended.output[-900:]}")
            bad += damaged(place)
            grow(place)
            again = attempt(place)
            if again.code != 0:
                bad.append(f"then exit {again.code}: {again.output[-500:]}")
            bad += damaged(place) + partial(place)
        tally.series(WHAT, 1, f"disk/{name}/{number}, {size} of {needed} bytes", bad)
    assert not tally.lost, tally.told
