import math

import numpy as np
import pytest
from basicsr.utils.matlab_functions import imresize

from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.errors import DataError
from segsr_arch.metrics.measures.lr_consistency import lr_consistency, lr_of
from tests.support import make_image


def test_against_the_reduction_of_basicsr():
    sr, lq = make_image(0, 48, 60), make_image(1, 12, 15)
    reduced = imresize(sr.astype(np.float64), 0.25).clip(0, 255)
    expected = 10 * math.log10(255**2 / ((reduced - lq) ** 2).mean())
    assert lr_consistency(sr, lq, 4) == pytest.approx(expected, abs=1e-4)


def test_the_true_image_lies_at_the_rounding_error_and_a_blurred_one_below():
    hr = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    hr[:, ::12] //= 200  # edges between 0 and 1 and bright pixels, where the reduction overshoots
    lq = make_lr(hr, 2)
    best = lr_consistency(hr, lq, 2)
    assert best == pytest.approx(10 * math.log10(12) + 20 * math.log10(255), abs=1)
    assert lr_consistency(np.roll(hr, 1, axis=0), lq, 2) < best - 20
    flat = np.full_like(hr, 7)
    assert lr_consistency(flat, make_lr(flat, 2), 2) == math.inf


def test_16_bits():
    hr = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    lq = lr_of(hr, 4)
    assert lq.dtype == np.uint16 and lq.shape == (16, 16, 3)
    assert lr_consistency(hr, lq, 4) == pytest.approx(10 * math.log10(12) + 20 * math.log10(65535), abs=1)
    narrow = make_image(0, 32, 32)
    assert (lr_of(narrow.astype(np.uint16) * 256, 4) // 256).astype(int) == pytest.approx(lr_of(narrow, 4), abs=1)


def test_lr_of_a_size_that_is_no_multiple():
    gt = make_image(0, 35, 42)
    assert (lr_of(gt, 4) == make_lr(gt[:32, :40], 4)).all()


def test_images_that_do_not_fit():
    sr, lq = make_image(0, 32, 32), make_image(0, 8, 7)
    with pytest.raises(DataError, match="has 32 x 32 pixels, which is not 4 times the 8 x 7"):
        lr_consistency(sr, lq, 4)
    with pytest.raises(DataError, match="8 bits and the LR image 16"):
        lr_consistency(sr, make_image(0, 8, 8).astype(np.uint16), 4)
