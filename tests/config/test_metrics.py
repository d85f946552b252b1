"""The check of ``val: metrics:`` knows the metrics of this package."""

import sys
import types

import numpy as np
import pytest
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.config.metrics import check_metrics
from segsr_arch.config.problems import Problems
from segsr_arch.errors import WeightsError
from segsr_arch.metrics import entries, pretrained
from tests.support import TINY_SEMANTICS


@pytest.fixture(autouse=True)
def nothing_loaded():
    entries.forget_loaded()


def lines(options, scale=4):
    problems = Problems()
    check_metrics(problems, {"m": options}, scale)
    return problems.lines


@pytest.mark.parametrize(
    "options",
    [
        {"type": "calculate_protocol_psnr", "scale": 4},
        {"type": "calculate_protocol_psnr", "scale": 4, "protocol": "y-full", "better": "higher"},
        {"type": "calculate_protocol_ssim", "scale": 4, "protocol": "rgb-crop"},
        {"type": "calculate_ergas", "scale": 4, "better": "lower"},
        {"type": "calculate_sam", "better": "lower"},
        {"type": "calculate_scc"},
        {"type": "calculate_uqi"},
        {"type": "calculate_lr_consistency", "scale": 4},
        {"type": "calculate_clip_cosine", "semantics": TINY_SEMANTICS},
        {"type": "calculate_psnr", "crop_border": 4},
        {"type": "calculate_niqe", "crop_border": 4, "better": "lower"},
    ],
)
def test_good_options(options):
    assert lines(options) == []


def test_large_scale_still_leaves_enough_of_the_trial_images():
    assert lines({"type": "calculate_protocol_ssim", "scale": 16}, 16) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": "calculate_protocol_psnr"}, "val:metrics:m:scale: is missing; calculate_protocol_psnr needs it"),
        ({"type": "calculate_protocol_psnr", "scale": 2}, "val:metrics:m:scale: is 2, but scale: is 4"),
        ({"type": "calculate_protocol_psnr", "scale": 0}, "val:metrics:m:scale: must be at least 1, got 0"),
        ({"type": "calculate_protocol_psnr", "scale": "4"}, "val:metrics:m:scale: expected a whole number"),
        ({"type": "calculate_protocol_psnr", "scale": 4, "protocol": "ycrop"}, "'ycrop' is not known; did you mean y-"),
        ({"type": "calculate_protocol_psnr", "scale": 4, "protocol": 1}, "val:metrics:m:protocol: expected text"),
        ({"type": "calculate_uqi", "scal": 4}, "val:metrics:m:scal: calculate_uqi has no such option"),
        ({"type": "calculate_lpip"}, "'calculate_lpip' is not registered; did you mean calculate_lpips?"),
        ({"type": "calculate_sam"}, "val:metrics:m:better: must be lower for calculate_sam, got higher"),
        ({"type": "calculate_niqe", "crop_border": 0}, "val:metrics:m:better: must be lower for calculate_niqe"),
        (
            {"type": "calculate_psnr", "crop_border": 4, "better": "lower"},
            "val:metrics:m:better: must be higher for calculate_psnr, got lower",
        ),
        ({"type": "calculate_uqi", "better": "lower"}, "val:metrics:m:better: must be higher for calculate_uqi"),
        ({"type": "calculate_kid", "better": "lower"}, "val:metrics:m:images: is missing; calculate_kid needs it"),
        ({"type": "calculate_kid", "images": 1, "better": "lower"}, "val:metrics:m:images: must be at least 2, got 1"),
        (
            {"type": "calculate_clip_cosine", "semantics": {**TINY_SEMANTICS, "vml": 1}},
            "semantics: vml is not an option; did you mean vlm",
        ),
    ],
)
def test_mistakes(options, said):
    (line,) = lines(options)
    assert said in line


@pytest.mark.parametrize("name", ["lpips", "dists", "kid"])
def test_weights_that_cannot_be_had_are_a_problem_before_the_run(tmp_path, monkeypatch, name):
    def unreachable(url):
        raise OSError("Network is unreachable")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(pretrained, "require_network", unreachable)
    options = {"type": f"calculate_{name}", "better": "lower", **({"images": 5} if name == "kid" else {})}
    (line,) = lines(options)
    assert line.startswith("val:metrics:m: cannot be computed, tried on two 32 x 32 images")
    assert f"{name}: its weights {tmp_path}" in line and "place it there ($TORCH_HOME/hub/checkpoints/" in line


def test_the_trial_of_a_set_metric_leaves_no_trace(monkeypatch):
    calls = []
    entry = METRIC_REGISTRY.get("calculate_kid")
    monkeypatch.setattr(entry, "reset", lambda: calls.append("reset"))
    monkeypatch.setattr(entry, "features", lambda img, img2: calls.append(img.shape) or np.zeros((2, 3), np.float32))
    assert lines({"type": "calculate_kid", "images": 2, "better": "lower"}) == []
    assert calls == [(32, 32, 3), "reset"]


def test_a_metric_of_pyiqa_without_pyiqa(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    (line,) = lines({"type": "calculate_pyiqa", "metric": "niqe", "better": "lower"})
    assert "pip install 'segsr-arch[iqa]'" in line


def test_a_metric_of_pyiqa_is_tried_on_images_of_its_size(monkeypatch):
    module, configs = types.ModuleType("pyiqa"), types.ModuleType("pyiqa.default_model_configs")
    configs.DEFAULT_CONFIGS = {"niqe": {"metric_mode": "NR", "lower_better": True}}
    sizes = []

    def create_metric(name, device):
        return type("Fake", (), {"metric_mode": "NR", "__call__": lambda self, x: sizes.append(x.shape) or 1.0})()

    module.__version__, module.default_model_configs, module.create_metric = "0", configs, create_metric
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    monkeypatch.setitem(sys.modules, "pyiqa.default_model_configs", configs)
    assert lines({"type": "calculate_pyiqa", "metric": "niqe", "better": "lower"}) == []
    assert sizes == [(1, 3, 288, 288)]
    (line,) = lines({"type": "calculate_pyiqa", "metric": "niqe"})
    assert "better: must be lower" in line


def test_a_metric_of_the_package_that_raises_is_one_line(monkeypatch):
    def broken(img, img2):
        raise WeightsError("first line")

    monkeypatch.setattr(METRIC_REGISTRY.get("calculate_kid"), "features", broken)
    (line,) = lines({"type": "calculate_kid", "images": 2, "better": "lower"})
    assert line.endswith("(first line)")
