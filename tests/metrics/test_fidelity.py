import math

import cv2
import numpy as np
import pytest
from basicsr.metrics import calculate_psnr, calculate_ssim
from hypothesis import given, settings
from hypothesis import strategies as st

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.metrics.measures.fidelity import cpsnr, luma, measure_fidelity, psnr, ssim
from segsr_arch.metrics.protocols import PROTOCOLS, Protocol
from tests.support import make_image


def make_pair(seed, height, width, kind):
    """GT and SR: unrelated noise, noise on a smooth image, one grey level at one pixel, or the same image."""
    random = np.random.default_rng(seed)
    gt = make_image(seed, height, width)
    if kind == "noise":
        return random.integers(0, 256, gt.shape, dtype=np.uint8), random.integers(0, 256, gt.shape, dtype=np.uint8)
    if kind == "smooth":
        noisy = gt + random.integers(-6, 7, gt.shape)
        return cv2.GaussianBlur(noisy.clip(0, 255).astype(np.uint8), (5, 5), 1), gt
    sr = gt.copy()
    if kind == "one pixel":
        sr[height // 2, width // 2, 1] ^= 1
    return sr, gt


def rgb_with_border(border):
    return Protocol(
        name="b", channel="rgb", border=border, mod_crop=1, used_by=(), description="RGB as one array with a border"
    )


@settings(max_examples=60)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(11, 70),
    width=st.integers(11, 70),
    border=st.integers(1, 6),
    kind=st.sampled_from(["noise", "smooth", "one pixel", "same"]),
)
def test_equal_to_basicsr_wherever_it_knows_the_protocol(seed, height, width, border, kind):
    sr, gt = make_pair(seed, height + 2 * border, width + 2 * border, kind)
    found = measure_fidelity(sr, gt, scale=border, protocols=["y-crop", "rgb", rgb_with_border(border)])
    settings_of = {
        "y-crop": {"crop_border": border, "test_y_channel": True},
        "rgb": {"crop_border": 0},
        "b": {"crop_border": border},
    }
    for name, options in settings_of.items():
        expected = calculate_psnr(sr, gt, **options)
        assert found[name].psnr == expected or abs(found[name].psnr - expected) < 1e-6
        assert abs(found[name].ssim - calculate_ssim(sr, gt, **options)) < 1e-6
    assert kind != "same" or found["y-crop"].psnr == math.inf


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_error_of_brightness_alone_does_not_count_in_cpsnr(protocol):
    gt = make_image(1, 40, 44) // 2 + 40
    wrong = gt.astype(int) + np.random.default_rng(0).integers(-9, 10, gt.shape)
    brighter = (wrong + 12).astype(np.uint8)
    given = {"scale": 4, "protocol": protocol}
    expected = cpsnr(wrong.astype(np.uint8), gt, **given)
    assert cpsnr(brighter, gt, **given) == pytest.approx(expected, abs=1e-4)
    assert psnr(brighter, gt, **given) < expected - 5
    assert psnr(wrong.astype(np.uint8), gt, **given) <= expected + 1e-9


def test_cpsnr_takes_the_mean_off_each_channel_and_within_the_protocols_border():
    gt = np.full((20, 20, 3), 100, np.uint8)
    sr = gt + np.array([1, 2, 3], np.uint8)
    assert cpsnr(sr, gt, scale=4, protocol="rgb") == math.inf
    sr[:10] += 4  # half of the image four grey levels above: two above and two below the mean
    assert cpsnr(sr, gt, scale=4, protocol="rgb") == pytest.approx(10 * math.log10(255**2 / 4))
    sr = gt.copy()
    sr[:4] = 0
    assert cpsnr(sr, gt, scale=4, protocol="rgb-crop") == math.inf
    with pytest.raises(DataError, match=r"cpsnr: the SR image has 16 x 16 pixels and the GT image 20 x 20"):
        cpsnr(gt[:16, :16], gt, scale=4)


def test_y_full_is_cut_to_a_multiple_of_four():
    sr, gt = make_pair(1, 31, 46, "smooth")
    cut = (slice(0, 28), slice(0, 44))
    options = {"crop_border": 0, "test_y_channel": True}
    assert psnr(sr, gt, scale=2, protocol="y-full") == pytest.approx(calculate_psnr(sr[cut], gt[cut], **options), 1e-9)
    assert ssim(sr, gt, scale=2, protocol="y-full") == pytest.approx(calculate_ssim(sr[cut], gt[cut], **options), 1e-9)


def test_rgb_crop_is_the_mean_of_three_psnrs_and_not_the_psnr_of_one_array():
    sr, gt = make_pair(2, 40, 40, "smooth")
    sr[..., 2] //= 2  # one channel far worse than the others
    found = measure_fidelity(sr, gt, scale=4, protocols=["rgb-crop", rgb_with_border(4)])
    one_each = [calculate_psnr(sr[..., [c]], gt[..., [c]], crop_border=4) for c in range(3)]
    assert found["rgb-crop"].psnr == pytest.approx(np.mean(one_each), abs=1e-9)
    assert found["rgb-crop"].psnr > found["b"].psnr + 1
    assert found["rgb-crop"].ssim == found["b"].ssim == pytest.approx(calculate_ssim(sr, gt, crop_border=4), abs=1e-9)


def test_several_protocols_at_once_are_the_same_as_one_by_one():
    sr, gt = make_pair(3, 45, 38, "smooth")
    together = measure_fidelity(sr, gt, scale=4, protocols=PROTOCOLS)
    assert list(together) == list(PROTOCOLS)
    for name, figures in together.items():
        alone = measure_fidelity(sr, gt, scale=4, protocols=[name])[name]
        assert figures.psnr == pytest.approx(alone.psnr, abs=1e-9)
        assert figures.ssim == pytest.approx(alone.ssim, abs=1e-9)


def test_ssim_can_be_left_out():
    sr, gt = make_pair(3, 12, 12, "smooth")
    figures = measure_fidelity(sr, gt, scale=2, protocols=["y-crop"], with_ssim=False)["y-crop"]
    assert math.isnan(figures.ssim) and figures.psnr == psnr(sr, gt, scale=2)


def test_16_bits_give_what_8_bits_give():
    sr, gt = make_pair(4, 40, 40, "smooth")
    wide = [image.astype(np.uint16) * 257 for image in (sr, gt)]
    for name, figures in measure_fidelity(*wide, scale=4, protocols=PROTOCOLS).items():
        narrow = measure_fidelity(sr, gt, scale=4, protocols=[name])[name]
        assert figures.psnr == pytest.approx(narrow.psnr, abs=1e-4)
        assert figures.ssim == pytest.approx(narrow.ssim, abs=1e-6)
    # one step of 65535 everywhere
    assert psnr(wide[0] // 2, wide[0] // 2 + 1, scale=1, protocol="rgb") == pytest.approx(20 * math.log10(65535))


def test_luma_of_known_colours():
    colours = np.array([[[0, 0, 0], [255, 255, 255], [0, 0, 255]]], np.uint8)  # black, white, red
    assert luma(colours)[0, :, 0] == pytest.approx([16, 235, 16 + 65.481], abs=1e-4)
    assert luma(colours.astype(np.uint16) * 257)[0, :, 0] == pytest.approx([16 * 257, 235 * 257, 81.481 * 257], abs=0.1)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_too_small_for_ssim_is_enough_for_psnr(name):
    side = PROTOCOLS[name].smallest_side(2, 11)
    small, enough = make_image(0, side - 1, side + 5), make_image(0, side, side)
    assert ssim(enough, enough, scale=2, protocol=name) == pytest.approx(1)
    assert psnr(small, small, scale=2, protocol=name) == math.inf
    with pytest.raises(DataError, match=f"ssim: .* {side - 1} x {side + 5} .* {name} .* at least {side} x {side}"):
        ssim(small, small, scale=2, protocol=name)


def test_images_that_do_not_fit_together():
    image = make_image(0, 20, 20)
    with pytest.raises(DataError, match="SR image has 20 x 20 pixels and the GT image 20 x 18"):
        psnr(image, image[:, :18], scale=2)
    with pytest.raises(DataError, match="SR image has 8 bits and the GT image 16"):
        psnr(image, image.astype(np.uint16), scale=2)
    with pytest.raises(DataError, match=r"GT image must be an \(H, W, 3\) array .* got float64"):
        psnr(image, image / 255, scale=2)
    with pytest.raises(DataError, match=r"SR image must .* shape \(20, 20, 4\)"):
        psnr(np.dstack([image, image[..., :1]]), image, scale=2)
    with pytest.raises(ConfigError, match="did you mean y-crop"):
        psnr(image, image, scale=2, protocol="ycrop")


def test_arguments_are_not_changed_and_views_are_taken():
    sr, gt = make_pair(5, 60, 60, "smooth")
    before = sr.copy(), gt.copy()
    views = sr[::-1, 10:50], gt[::-1, 10:50]
    figures = measure_fidelity(*views, scale=2, protocols=PROTOCOLS)
    assert figures == measure_fidelity(*map(np.ascontiguousarray, views), scale=2, protocols=PROTOCOLS)
    assert (sr == before[0]).all() and (gt == before[1]).all()
