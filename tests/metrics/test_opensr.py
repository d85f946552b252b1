"""Consistency, synthesis and correctness as opensr-test has them: its values, and images whose answer is known."""

import math

import cv2
import numpy as np
import pytest
from basicsr.utils.matlab_functions import imresize
from basicsr.utils.registry import METRIC_REGISTRY

from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.drawing.scenes import draw_scene
from segsr_arch.errors import DataError
from segsr_arch.metrics.measures import opensr
from segsr_arch.metrics.measures.lr_consistency import lr_of
from tests.support import SHARED_DATA, make_image


def enlarge(lq, scale):
    return (imresize(lq.astype(np.float32) / 255, scale) * 255).round().clip(0, 255).astype(np.uint8)


def with_controls(gt, other, scale):
    """What an SR image can be at worst and at best, each with ground truth and LR image."""
    lq = make_lr(gt, scale)
    bicubic = enlarge(lq, scale)
    detail = other.astype(int) - enlarge(make_lr(other, scale), scale)
    made_up = (bicubic + detail).clip(0, 255).astype(np.uint8)
    images = {"truth": gt, "bicubic": bicubic, "texture": made_up, "elsewhere": other}
    return {name: (sr, gt, lq) for name, sr in images.items()}


def controls(scale):
    return with_controls(draw_scene(1, "residential", 128), draw_scene(2, "parking", 128), scale)


CONSISTENCY = (opensr.reflectance, opensr.spectral_angle, opensr.spatial_shift)

# What opensr-test 1.3.3 gives for controls(scale): opensr_test.Metrics(harm_apply_spatial=False).compute(lr, sr, hr) of
# the images as (3, H, W) float32 in [0, 1], R, G, B; reflectance, spectral, spatial, synthesis, im, om, ha_metric.
OPENSR_TEST = {
    (2, "truth"): (0.009995, 0.614552, 0.0, 0.027057, 0.964663, 0.017668, 0.017668),
    (2, "bicubic"): (0.015566, 0.911561, 0.0, 0.016803, 0.304794, 0.530880, 0.164326),
    (2, "texture"): (0.023744, 1.164893, 0.0, 0.055611, 0.103147, 0.211463, 0.685390),
    (4, "bicubic"): (0.019679, 1.244838, 0.028284, 0.029168, 0.234175, 0.574660, 0.191165),
    (4, "texture"): (0.026884, 1.470436, 0.044721, 0.074452, 0.094569, 0.262578, 0.642853),
    (4, "elsewhere"): (0.124627, 10.344218, math.nan, 0.127837, 0.061126, 0.101025, 0.837849),
    (8, "texture"): (0.024488, 1.553717, 0.08, 0.084825, 0.100245, 0.293346, 0.606409),
}


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_the_values_of_opensr_test(scale):
    images = controls(scale)
    for (of_scale, name), expected in OPENSR_TEST.items():
        if of_scale == scale:
            sr, gt, lq = images[name]
            found = [measure(sr, lq, scale) for measure in CONSISTENCY]
            found += [opensr.synthesis(sr, gt, lq, scale), *opensr.correctness(sr, gt, lq, scale, name="hallucination")]
            assert found == pytest.approx(expected, abs=1e-3, nan_ok=True), name


def hallucinations(images, scale):
    return {
        name: opensr.correctness(sr, gt, lq, scale, name="hallucination")[2] for name, (sr, gt, lq) in images.items()
    }


@pytest.mark.parametrize(("kind", "other"), [("harbor", "residential"), ("farmland", "freeway"), ("parking", "harbor")])
def test_what_is_made_up_is_told_from_what_is_lacking(kind, other):
    images = with_controls(draw_scene(3, kind, 128), draw_scene(4, other, 128), 4)
    found = hallucinations(images, 4)
    assert found["truth"] < 0.05 < found["bicubic"] < found["texture"]
    improved, omitted, made_up = opensr.correctness(*images["bicubic"], 4, name="omission")
    assert omitted > max(improved, made_up)


def test_the_same_on_photographs():
    folder = SHARED_DATA / "ucmerced/Images"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    for one, other in (("buildings/buildings01", "forest/forest02"), ("harbor/harbor04", "airplane/airplane05")):
        gt, elsewhere = (cv2.imread(str(folder / f"{name}.webp")) for name in (one, other))
        found = hallucinations(with_controls(gt, elsewhere, 4), 4)
        assert found["truth"] < 0.05 < found["bicubic"] < found["texture"], one


def test_a_shift_is_found():
    scene = draw_scene(5, "parking", 160)
    gt = np.ascontiguousarray(scene[8:152, 8:152])
    sr = np.ascontiguousarray(scene[8:152, 4:148])  # what lay at x lies at x + 4, one LR pixel
    assert opensr.spatial_shift(sr, make_lr(gt, 4), 4) == pytest.approx(1, abs=0.06)
    assert opensr.spatial_shift(gt, make_lr(gt, 4), 4) < 0.06


def test_the_angle_knows_colour_and_the_difference_brightness():
    gt = np.random.default_rng(0).integers(30, 100, (64, 64, 3), dtype=np.uint8)
    lq = make_lr(gt, 4)
    flat = np.full_like(gt, 60)
    flat_lq = make_lr(flat, 4)
    assert opensr.reflectance(flat + 51, flat_lq, 4) == pytest.approx(0.2, abs=1e-6)
    assert opensr.spectral_angle(2 * flat, flat_lq, 4) < 0.1
    red, green = np.zeros((2, 64, 64, 3), np.uint8)
    red[..., 2], green[..., 1] = 90, 90
    assert opensr.spectral_angle(red, make_lr(green, 4), 4) == pytest.approx(90, abs=1e-3)
    assert math.isnan(opensr.spectral_angle(gt, 0 * lq, 4))
    half = lq.copy()
    half[:8] = 0
    top_is_out = opensr.spectral_angle(gt, half, 4)
    assert top_is_out == pytest.approx(opensr.spectral_angle(gt, lq, 4), rel=0.2)


def test_where_the_enlarged_image_is_right_already_all_that_is_added_is_made_up():
    gt = np.full((64, 64, 3), 100, np.uint8)
    gt[:, :, 1] = np.arange(64, dtype=np.uint8)[:, None] + 60  # the same histogram for the noise that is added below
    flat = np.full((64, 64, 3), 100, np.uint8)
    assert all(map(math.isnan, opensr.correctness(flat, flat, make_lr(flat, 4), 4, name="omission")))
    sr = np.random.default_rng(0).permutation(gt.reshape(-1, 3)).reshape(gt.shape)
    assert opensr.correctness(sr, gt, make_lr(gt, 4), 4, name="hallucination")[2] > 0.9


def test_the_border_does_not_count():
    sr, gt, lq = controls(4)["bicubic"]
    broken = sr.copy()
    broken[:16] = broken[-16:] = broken[:, :16] = broken[:, -16:] = 0
    for measure in CONSISTENCY:
        assert measure(broken, lq, 4) == measure(sr, lq, 4)
    assert opensr.synthesis(broken, gt, lq, 4) == opensr.synthesis(sr, gt, lq, 4)


def test_16_bits_and_a_scale_that_does_not_divide_the_border():
    gt = draw_scene(6, "freeway", 96)
    lq = make_lr(gt, 3)
    sr = enlarge(lq, 3)
    wide = [image.astype(np.uint16) * 257 for image in (sr, gt, lq)]
    one, other = (opensr.correctness(*images, 3, name="omission") for images in ((sr, gt, lq), wide))
    assert one == pytest.approx(other, abs=1e-4) and sum(one) == pytest.approx(1, abs=1e-5)
    assert opensr.reflectance(sr, lq, 3) == pytest.approx(opensr.reflectance(wide[0], wide[2], 3), abs=1e-6)


def test_a_validation_makes_the_lr_image_of_the_ground_truth():
    sr, gt, lq = controls(4)["bicubic"]
    larger = [np.pad(image, ((0, 2), (0, 3), (0, 0))) for image in (sr, gt)]
    for name, number in (("improvement", 0), ("omission", 1), ("hallucination", 2)):
        found = METRIC_REGISTRY.get(f"calculate_{name}")(*larger, scale=4, better="lower")
        assert found == opensr.correctness(sr, gt, lq, 4, name=name)[number]


def test_images_that_do_not_fit():
    gt = make_image(0, 64, 64)
    with pytest.raises(DataError, match="omission: the SR image has 64 x 64 pixels, which is not 4 times the 15 x 16"):
        opensr.correctness(gt, gt, lr_of(gt, 4)[:15], 4, name="omission")
    with pytest.raises(DataError, match="reflectance: the SR image has 8 bits and the LR image 16"):
        opensr.reflectance(gt, lr_of(gt, 4).astype(np.uint16), 4)
