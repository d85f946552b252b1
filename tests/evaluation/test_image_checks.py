import numpy as np
import pytest

from segsr_arch.errors import DataError
from segsr_arch.evaluation.image_checks import check_images
from tests.support import make_image

HR = make_image(0, 32, 32)
LR = make_image(1, 8, 8)


def check(sr=HR, gt=HR, lq=None, scale=4):
    return check_images(sr=sr, gt=gt, lq=lq, scale=scale)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sr": HR[:, :30]}, "SR image has 32 x 30 pixels and the ground truth 32 x 32"),
        ({"sr": HR.astype(np.uint16)}, r"different bits a sample \(SR 16, GT 8\)"),
        ({"sr": np.dstack([HR, HR[..., :1]])}, "SR image has 4 bands of uint8; one or three bands"),
        ({"gt": np.dstack([HR, HR])}, "GT image has 6 bands"),
        ({"sr": HR.astype(np.float32)}, "SR image has 3 bands of float32; one or three bands of 8 or 16 bits"),
        ({"lq": LR[:7]}, "LR image has 7 x 8 pixels and the SR image 32 x 32, which is not x4"),
        ({"lq": LR.astype(np.uint16)}, r"\(SR 8, GT 8, LR 16\)"),
    ],
)
def test_what_cannot_be_compared_is_said(given, message):
    with pytest.raises(DataError, match=message):
        check(**given)


def test_ground_truth_is_cut_to_whole_lr_pixels():
    gt = make_image(2, 35, 34)
    images = check(sr=gt[:32, :32], gt=gt, lq=LR)
    assert np.array_equal(images.gt, gt[:32, :32]) and images.gt.flags["C_CONTIGUOUS"]
    with pytest.raises(DataError, match="sizes must be equal"):
        check(sr=gt[:28, :32], gt=gt)
    with pytest.raises(DataError, match="sizes must be equal"):
        check(sr=gt[:32, :32], gt=gt, scale=None)


def test_grey_images_are_repeated_and_16_bits_kept():
    grey = HR[..., 0].astype(np.uint16) * 257
    images = check(sr=grey, gt=np.dstack([grey] * 3))
    assert images.sr.shape == (32, 32, 3) and images.sr.dtype == np.uint16
    assert np.array_equal(images.sr, images.gt)
    assert check(gt=None).gt is None
