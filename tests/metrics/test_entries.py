"""The entries for ``val: metrics:``, called as BasicSR calls them."""

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric, calculate_psnr, calculate_ssim
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.errors import ConfigError, DataError, WeightsError
from segsr_arch.metrics import entries
from segsr_arch.metrics.catalogue import CATALOGUE, find_metric
from segsr_arch.metrics.measures.lr_consistency import lr_of
from tests.metrics.backbones import write_clip
from tests.support import TINY_SEMANTICS, make_image

CPU = torch.device("cpu")
OPTIONS = {
    "psnr": {"type": "calculate_protocol_psnr", "scale": 2},
    "ssim": {"type": "calculate_protocol_ssim", "scale": 2},
    "cpsnr": {"type": "calculate_protocol_cpsnr", "scale": 2},
    "lpips": {"type": "calculate_lpips", "better": "lower"},
    "dists": {"type": "calculate_dists", "better": "lower"},
    "ergas": {"type": "calculate_ergas", "scale": 2, "better": "lower"},
    "sam": {"type": "calculate_sam", "better": "lower"},
    "scc": {"type": "calculate_scc"},
    "uqi": {"type": "calculate_uqi", "better": "higher"},
    "lr_consistency": {"type": "calculate_lr_consistency", "scale": 2},
    "clip_cosine": {"type": "calculate_clip_cosine", "semantics": TINY_SEMANTICS},
}


@pytest.fixture
def pair():
    gt = make_image(0, 40, 44)
    return (gt * 0.8 + np.random.default_rng(0).integers(0, 30, gt.shape)).astype(np.uint8), gt


def own_options(name):
    return {key: value for key, value in OPTIONS[name].items() if key in CATALOGUE[name].options}


def call(pair, options):
    return calculate_metric({"img": pair[0], "img2": pair[1]}, options)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_entry_gives_what_the_catalogue_gives(random_hub, pair, name):
    measure = find_metric(name).load(device=CPU, options=own_options(name))
    expected = measure(*pair, lr_of(pair[1], 2), 2)
    value = call(pair, OPTIONS[name])
    assert type(value) is float and value == pytest.approx(expected, abs=1e-6)
    assert METRIC_REGISTRY.get(OPTIONS[name]["type"]).describe(OPTIONS[name]) is CATALOGUE[name]


def test_every_metric_has_an_entry():
    for name in CATALOGUE:
        kind = f"calculate_protocol_{name}" if name in ("psnr", "ssim", "cpsnr") else f"calculate_{name}"
        function = METRIC_REGISTRY.get(kind)
        assert METRIC_REGISTRY.get(f"{kind}_segsr") is function
        assert function.set_metric == (CATALOGUE[name].whole_set)
    # BasicSR's own are still there
    assert METRIC_REGISTRY.get("calculate_psnr") is calculate_psnr
    assert METRIC_REGISTRY.get("calculate_ssim") is calculate_ssim


def test_protocols_by_name(pair):
    y_crop = call(pair, {"type": "calculate_protocol_psnr", "scale": 4})
    assert y_crop == pytest.approx(calculate_psnr(*pair, crop_border=4, test_y_channel=True), abs=1e-6)
    rgb = call(pair, {"type": "calculate_protocol_ssim", "scale": 4, "protocol": "rgb"})
    assert rgb == pytest.approx(calculate_ssim(*pair, crop_border=0), abs=1e-6)
    with pytest.raises(ConfigError, match="did you mean y-full"):
        call(pair, {"type": "calculate_protocol_psnr", "scale": 4, "protocol": "yfull"})


def test_a_misspelt_option_is_no_option(pair):
    with pytest.raises(TypeError, match="scal"):
        call(pair, {"type": "calculate_ergas", "scal": 4})


def test_networks_are_loaded_once(random_hub, pair, monkeypatch):
    call(pair, OPTIONS["lpips"])
    monkeypatch.setenv("TORCH_HOME", "/nowhere")
    assert call(pair, OPTIONS["lpips"]) > 0
    call(pair, OPTIONS["clip_cosine"])
    seed_one = {**OPTIONS["clip_cosine"], "semantics": {**TINY_SEMANTICS, "random_seed": 1}}
    assert call(pair, seed_one) != call(pair, OPTIONS["clip_cosine"])


def test_lr_consistency_of_sizes_that_are_no_multiple(pair):
    sr, gt = (image[:39, :43] for image in pair)
    whole = call([image[:38, :42] for image in (sr, gt)], OPTIONS["lr_consistency"])
    assert call((sr, gt), OPTIONS["lr_consistency"]) == whole
    with pytest.raises(DataError, match="lr_consistency: the SR image has 39 x 43 pixels and the GT image 38 x 43"):
        call((sr, gt[:38]), OPTIONS["lr_consistency"])


def test_clip_iqa_needs_no_ground_truth(tmp_path, pair):
    options = {"type": "calculate_clip_iqa", "model": str(write_clip(tmp_path / "clip"))}
    assert calculate_metric({"img": pair[0]}, options) == call(pair, options)


def test_kid_of_a_validation(random_hub):
    gts = [make_image(seed, 16, 16) for seed in range(3)]
    pairs = [(np.roll(gt, 5, axis=1), gt) for gt in gts]
    options = {"type": "calculate_kid", "images": 3, "better": "lower"}
    # a loop of its own: features in any process, combined in the end
    entry = METRIC_REGISTRY.get("calculate_kid")
    expected = entry.combine([entry.features(*each) for each in pairs]).value
    assert np.mean([call(each, options) for each in pairs]) == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_kid_starts_anew_after_reset(random_hub):
    gts = [make_image(seed, 16, 16) for seed in range(2)]
    options = {"type": "calculate_kid", "images": 2}
    expected = [call((gt[::-1], gt), options) for gt in gts]
    call((gts[1], gts[0]), options)  # as the option check does
    METRIC_REGISTRY.get("calculate_kid").reset()
    assert [call((gt[::-1], gt), options) for gt in gts] == pytest.approx(expected, abs=1e-9)


def test_loaded_networks_can_be_freed(random_hub, empty_hub, pair):
    with pytest.raises(WeightsError):
        call(pair, OPTIONS["lpips"])
    entries.forget_loaded()
