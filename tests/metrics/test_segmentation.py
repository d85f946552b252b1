"""Segmentation mismatch: by hand on segmentations, and in order on images."""

import cv2
import numpy as np
import pytest
import torch

from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.measures.segmentation import mismatch, segmentation_mismatch, segments
from tests.support import make_image

ROWS, COLUMNS = np.indices((8, 8))
ONE = np.zeros((8, 8), int)
LEFT_RIGHT, TOP_BOTTOM = COLUMNS // 4, ROWS // 4
QUARTERS = 2 * TOP_BOTTOM + LEFT_RIGHT


@pytest.mark.parametrize(
    ("of_gt", "of_sr", "expected"),
    [
        (LEFT_RIGHT, LEFT_RIGHT, 0),
        (LEFT_RIGHT, 5 - 3 * LEFT_RIGHT, 0),  # other numbers, some of them unused
        (ONE, LEFT_RIGHT, 1 / 2),  # the better half is half of it
        (LEFT_RIGHT, ONE, 1 / 2),
        (QUARTERS, ONE, 3 / 4),
        (LEFT_RIGHT, TOP_BOTTOM, 2 / 3),  # a quarter of three quarters
        (LEFT_RIGHT, (COLUMNS >= 5).astype(int), 1 - (4 / 5 + 3 / 4) / 2),
        ((COLUMNS >= 2).astype(int), (COLUMNS >= 4).astype(int), 1 - (2 / 4 / 4 + 4 / 6 * 3 / 4)),  # weighted by area
    ],
)
def test_by_hand(of_gt, of_sr, expected):
    assert mismatch(of_gt, of_sr) == pytest.approx(expected, abs=1e-12)


def test_every_pixel_is_in_a_segment_that_is_not_small():
    found = segments(make_image(0, 64, 80))
    assert found.shape == (64, 80) and np.bincount(found.ravel()).min() >= 64 and 2 <= found.max() + 1 < 80


def test_images_are_told_apart_in_their_order():
    gt = cv2.GaussianBlur(make_image(3, 96, 96), (0, 0), 1)
    assert segmentation_mismatch(gt, gt) == 0
    brighter = segmentation_mismatch((gt // 2 + 40).astype(np.uint8), (gt // 2).astype(np.uint8))
    blurred = segmentation_mismatch(cv2.GaussianBlur(gt, (0, 0), 5), gt)
    another = segmentation_mismatch(make_image(4, 96, 96), gt)
    assert brighter < 0.02 < blurred < another < 1 and another > 0.5


def test_it_is_a_metric_that_names_what_segments():
    measure = find_metric("segmentation_mismatch").load(device=torch.device("cpu"))
    sr, gt = make_image(0, 48, 48), make_image(1, 48, 48)
    assert "felzenszwalb, scale 100, sigma 0.8, at least 64 pixels" in measure.backend
    rgb = [np.ascontiguousarray(image[..., ::-1]) for image in (sr, gt)]
    assert measure(sr, gt, None, 4) == pytest.approx(segmentation_mismatch(*rgb), abs=1e-12)
