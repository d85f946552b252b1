import math

import numpy as np
import pytest

from segsr_arch.metrics.measures.spectral import ergas, sam, scc, uqi
from tests.support import make_image


@pytest.fixture
def pair():
    gt = make_image(0, 40, 36)
    noise = np.random.default_rng(0).integers(-20, 21, gt.shape)
    return (gt + noise).clip(0, 255).astype(np.uint8), gt


def test_ergas_by_hand(pair):
    sr, gt = (image.astype(float) for image in pair)
    errors = np.sqrt(((sr - gt) ** 2).mean(axis=(0, 1))) / gt.mean(axis=(0, 1))
    for scale in (2, 4):  # the LR pixel is scale times as large: h / l = 1 / scale
        assert ergas(*pair, scale) == pytest.approx(100 / scale * math.sqrt((errors**2).mean()))


def test_ergas_without_a_band_is_no_number(pair):
    sr, gt = pair[0], pair[1].copy()
    gt[..., 0] = 0
    assert not math.isfinite(ergas(sr, gt, 2))


def test_sam_by_hand(pair):
    sr, gt = (image.reshape(-1, 3).astype(float) for image in pair)
    cosines = (sr * gt).sum(axis=1) / np.linalg.norm(sr, axis=1) / np.linalg.norm(gt, axis=1)
    assert sam(*pair) == pytest.approx(np.arccos(cosines.clip(-1, 1)).mean(), abs=1e-9)


def test_sam_is_in_radians():
    red, blue = np.zeros((2, 12, 12, 3), np.uint8)
    red[..., 2], blue[..., 0] = 10, 200
    assert sam(red, blue) == pytest.approx(math.pi / 2)
    assert sam(red, red * 3) == pytest.approx(0, abs=1e-6)  # brightness does not count


def test_sam_leaves_black_pixels_out(pair):
    sr, gt = (image.copy() for image in pair)
    expected = sam(sr[1:], gt[1:])
    sr[0, ::2], gt[0, 1::2] = 0, 0
    assert sam(sr, gt) == pytest.approx(expected, abs=1e-12)
    assert math.isnan(sam(sr * 0, gt))


def test_uqi_by_hand():
    """Where the window fits exactly once, UQI is one formula of weighted moments."""
    gt = make_image(3, 11, 11)
    sr = (gt * 0.8 + 10).astype(np.uint8)
    steps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    window = np.outer(steps, steps) / steps.sum() ** 2
    values = []
    for band in range(3):
        x, y = (image[..., band] / 255 for image in (sr, gt))
        mean_x, mean_y = (window * x).sum(), (window * y).sum()
        spread = (window * x * x).sum() - mean_x**2 + (window * y * y).sum() - mean_y**2
        together = (window * x * y).sum() - mean_x * mean_y
        values.append(4 * together * mean_x * mean_y / (spread * (mean_x**2 + mean_y**2)))
    assert uqi(sr, gt) == pytest.approx(np.mean(values), abs=1e-6)


def test_scc_looks_at_detail_and_not_at_brightness(pair):
    gt = np.random.default_rng(1).integers(60, 200, (24, 24, 3), dtype=np.uint8)
    assert scc(gt, gt) == pytest.approx(1, abs=1e-4)
    assert scc(gt + 40, gt) == pytest.approx(1, abs=1e-4)
    assert scc(255 - gt, gt) == pytest.approx(-1, abs=1e-4)
    other = np.random.default_rng(2).integers(60, 200, gt.shape, dtype=np.uint8)
    assert abs(scc(other, gt)) < 0.1


@pytest.mark.parametrize("grey", range(0, 256, 15))
def test_flat_images(grey):
    """Without care rounding errors alone decide here."""
    flat = np.full((20, 20, 3), grey, np.uint8)
    assert scc(flat, flat) == 0
    assert uqi(flat, flat) == 1
    assert uqi(flat // 2, flat) == pytest.approx(2 * (grey // 2) * grey / ((grey // 2) ** 2 + grey**2) if grey else 1)


def test_uqi_of_identical_images_is_one_with_flat_areas_too():
    image = make_image(5, 50, 50)
    image[:20] = 200
    assert uqi(image, image) == pytest.approx(1, abs=1e-9)
    assert uqi(image.astype(np.uint16) * 257, image.astype(np.uint16) * 257) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("metric", [lambda a, b: ergas(a, b, 4), sam, scc, uqi])
def test_16_bits_give_what_8_bits_give(pair, metric):
    wide = [image.astype(np.uint16) * 257 for image in pair]
    assert metric(*wide) == pytest.approx(metric(*pair), abs=1e-5)
