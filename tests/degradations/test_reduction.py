import numpy as np
import pytest
from PIL import Image

from segsr_arch.degradations import kernels
from segsr_arch.degradations.filtering import blurred
from tests.degradations.pictures import degrade, picture


def test_the_published_reduction_is_half_a_grey_level_too_dark():
    """IKC's code blurs in BGR, truncates to bytes, and reduces by Pillow: mean -.498 grey levels to floats."""
    image = picture("uint8", 512, 512)
    chain = [{"type": "isotropic", "sigma": 2.6}, {"type": "reduce", "how": "pillow"}]
    result = degrade(chain, image).lq

    blue_first = blurred(image[..., ::-1].astype(np.float32), kernels.isotropic_kernel(2.6))
    byte = Image.fromarray(np.ascontiguousarray(np.floor(blue_first.clip(0, 255)).astype(np.uint8)))
    published = np.asarray(byte.resize((128, 128), Image.Resampling.BICUBIC))[..., ::-1]
    assert np.array_equal(result, published)

    floats = degrade(chain[:1], np.float32(image / 255)).lq * 255
    assert (result - floats).mean() == pytest.approx(-0.498, abs=0.004)
    rounded = degrade(chain[:1], image).lq
    assert abs((rounded - floats).mean()) < 0.004


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_one_of_s_pixels_is_aligned_with_the_bicubic_reduction(scale):
    y, x = np.mgrid[: 12 * scale, : 9 * scale]
    ramp = np.stack([x, y, x + y], axis=2).astype(np.float32) / 128
    centre = degrade([{"type": "reduce", "how": "s-fold"}], ramp, scale=scale)
    assert centre.lq[2:-2, 2:-2] == pytest.approx(centre.clean[2:-2, 2:-2], abs=1e-5)
    corner = degrade([{"type": "reduce", "how": "s-fold", "phase": "corner"}], ramp, scale=scale)
    assert np.abs(corner.lq - ramp[::scale, ::scale]).max() < 1e-6


def test_one_of_s_pixels_lets_all_frequencies_pass():
    image = np.random.default_rng(0).uniform(0.2, 0.8, (300, 300, 1)).astype(np.float32)
    kept = degrade([{"type": "reduce", "how": "s-fold"}], image, scale=3)
    assert np.abs(kept.lq - image[1::3, 1::3]).max() < 1e-6
    assert kept.lq.std() > 2 * kept.clean.std()
