"""What holds for every metric, by its declaration."""

import numpy as np
import pytest
import torch

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.metrics.catalogue import CATALOGUE, find_metric
from segsr_arch.metrics.measures.lr_consistency import lr_of
from tests.metrics.backbones import write_clip, write_clip_resnet
from tests.support import TINY_SEMANTICS, make_image

CPU = torch.device("cpu")
SCALE = 2
NAMES = [
    "cpsnr",
    "psnr",
    "ssim",
    "clip_cosine",
    "clip_iqa",
    "clip_iqa_rn50",
    "dists",
    "ergas",
    "hallucination",
    "improvement",
    "kid",
    "lpips",
]
NAMES += ["lr_consistency", "omission", "reflectance", "sam", "scc", "segmentation_mismatch", "spatial_shift"]
NAMES += ["spectral_angle", "synthesis", "uqi"]
IMAGE_METRICS = [name for name in NAMES if name != "kid"]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return str(write_clip(tmp_path_factory.mktemp("models") / "clip"))


@pytest.fixture(scope="module")
def clip_resnet(tmp_path_factory):
    return write_clip_resnet(tmp_path_factory.mktemp("models"))


@pytest.fixture
def load(random_hub, clip_folder, clip_resnet):
    def load(name):
        given = {"semantics": TINY_SEMANTICS, "protocol": "rgb", "model": clip_folder, **clip_resnet}
        metric = find_metric(name)
        return metric.load(device=CPU, options={key: given[key] for key in metric.options})

    return load


def images(side, *, wide=False):
    gt = make_image(0, side, side)
    sr = (gt * 0.7 + 20).astype(np.uint8)
    if wide:
        sr, gt = sr.astype(np.uint16) * 257, gt.astype(np.uint16) * 257
    return sr, gt, lr_of(gt, SCALE) if side >= SCALE else gt


def test_the_catalogue():
    assert list(CATALOGUE) == NAMES
    assert {name for name, each in CATALOGUE.items() if each.better == "lower"} == {
        *("lpips", "dists", "ergas", "sam", "kid"),
        *("reflectance", "spectral_angle", "spatial_shift", "omission", "hallucination"),
        "segmentation_mismatch",
    }
    assert {name: each.needs for name, each in CATALOGUE.items() if each.needs != "gt"} == {
        **dict.fromkeys(("clip_iqa", "clip_iqa_rn50"), "nothing"),
        **dict.fromkeys(("lr_consistency", "reflectance", "spectral_angle", "spatial_shift"), "lq"),
        **dict.fromkeys(("synthesis", "improvement", "omission", "hallucination"), "gt and lq"),
    }
    assert [name for name, each in CATALOGUE.items() if each.per_protocol] == ["cpsnr", "psnr", "ssim"]
    assert [name for name, each in CATALOGUE.items() if each.whole_set] == ["kid"]
    units = {name: each.unit for name, each in CATALOGUE.items() if each.unit}
    assert units == {
        **{"psnr": "dB", "cpsnr": "dB", "sam": "rad", "lr_consistency": "dB"},
        **{"spectral_angle": "degrees", "spatial_shift": "LR pixels"},
    }


def test_unknown_name():
    with pytest.raises(ConfigError, match=r"metric 'lpisp' is not known; did you mean lpips\?"):
        find_metric("lpisp")


@pytest.mark.parametrize("name", IMAGE_METRICS)
def test_smallest_side(load, name):
    """A metric works on images of its smallest side, at both depths, and says so of smaller ones."""
    measure = load(name)
    side = measure.metric.smallest_side
    enough = max(side, SCALE) + (max(side, SCALE) % SCALE)
    for wide in (False, True):
        sr, gt, lq = images(enough, wide=wide)
        assert np.isfinite(measure(sr, gt, lq, SCALE))
    assert measure.backend
    if side > 1:
        sr, gt, lq = images(side - 1)
        words = rf"{name}: .* {side - 1} x {side - 1} .* at least {side} x {side}|needs {side} x {side}"
        with pytest.raises(DataError, match=words):
            measure(sr, gt, lq, SCALE)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_images(load, name):
    measure = load(name)
    run = measure if not measure.metric.whole_set else lambda sr, gt, lq, scale: measure.features(sr, gt)
    sr, gt, lq = images(48)
    with pytest.raises(DataError, match=r"the SR image must be an \(H, W, 3\) array of uint8 or uint16"):
        run(sr / 255, gt, lq, SCALE)
    if measure.metric.needs in ("gt", "gt and lq"):
        with pytest.raises(DataError, match="SR image has 48 x 48 pixels and the GT image 48 x 46"):
            run(sr, gt[:, :46], lq, SCALE)
        with pytest.raises(DataError, match="depths must agree"):
            run(sr, gt.astype(np.uint16), lq, SCALE)
        with pytest.raises(DataError, match=f"{name}: needs a ground truth"):
            run(sr, None, lq, SCALE)
    else:
        run(sr, None, lq, SCALE)
    if measure.metric.needs_lr:
        with pytest.raises(DataError, match=f"{name}: needs the LR input"):
            run(sr, gt, None, SCALE)


@pytest.mark.parametrize("name", ["psnr", "ssim"])
def test_protocol(name):
    sr, gt, _ = images(40)
    values = {
        p: find_metric(name).load(device=CPU, options={"protocol": p})(sr, gt, None, 4)
        for p in ("y-crop", "rgb", "y-full")
    }
    assert len(set(values.values())) == 3
    with pytest.raises(ConfigError, match="protocol 'ycrop' is not known"):
        find_metric(name).load(device=CPU, options={"protocol": "ycrop"})
