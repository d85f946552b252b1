import numpy as np
import pytest

from segsr_arch.degradations.bicubic import bicubic_taps, make_lr, mod_crop, reduce_exactly
from segsr_arch.errors import DataError
from tests.support import make_image


def basicsr_reduction(image, scale):
    """What stock BasicSR makes of it, unrounded, on the scale 0-255."""
    from basicsr.utils.matlab_functions import imresize

    import segsr_arch  # noqa: F401 - basicsr does not import without

    return imresize(image.astype(np.float32) / 255.0, 1 / scale).astype(np.float64) * 255


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(("height", "width"), [(96, 72), (61, 127), (65, 50)])
def test_numbers_are_those_of_basicsr(scale, height, width):
    for seed in range(3):
        image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        for one in (image, make_image(seed, height, width)):
            high = np.ascontiguousarray(mod_crop(one, scale))
            exact, theirs = reduce_exactly(high, scale), basicsr_reduction(high, scale)
            assert np.abs(exact - theirs).max() < 255e-6
            differing = make_lr(high, scale) != np.rint(theirs).clip(0, 255)
            # Only where the true value is half-way between two levels, up to float32's own error, may 8 bits differ.
            assert (np.abs(exact[differing] % 1 - 0.5) < 1e-4).all()
            assert differing.sum() <= 2


def test_smooth_images_give_the_same_8_bits_as_basicsr():
    high = make_image(5, 120, 144)
    for scale in (2, 3, 4):
        assert np.array_equal(make_lr(high, scale), np.rint(basicsr_reduction(high, scale)).clip(0, 255))


@pytest.mark.parametrize("scale", range(2, 17))
def test_weights_are_whole_symmetric_and_centred(scale):
    weights, divisor, before = bicubic_taps(scale)
    assert all(isinstance(weight, int) for weight in weights)
    assert weights == weights[::-1]
    assert sum(weights) == divisor
    assert len(weights) == 2 * before + scale


def test_weights_of_scale_2_are_the_known_ones():
    # Keys' kernel at 1/4, 3/4, 5/4 and 7/4, in 1/256.
    assert bicubic_taps(2) == ((-3, -9, 29, 111, 111, 29, -9, -3), 256, 3)


@pytest.mark.parametrize("scale", [2, 3, 4, 16])
def test_flat_images_stay_flat_even_when_smaller_than_the_kernel(scale):
    for level in (0, 1, 127, 255):
        image = np.full((scale, 2 * scale, 3), level, np.uint8)
        assert (reduce_exactly(image, scale) == level).all()


def test_ties_are_rounded_to_even():
    # A column pair of 0 and 1 repeated: every reduced value is exactly one half.
    image = np.tile(np.array([0, 1], np.uint8), (8, 8))[:, :, None]
    assert (reduce_exactly(image, 2)[:, 3] == 0.5).all()
    assert (make_lr(image, 2)[:, 3] == 0).all()
    assert (make_lr(image + np.uint8(1), 2)[:, 3] == 2).all()


def test_mod_crop_cuts_right_and_lower_edge():
    image = np.arange(7 * 11 * 3).reshape(7, 11, 3)
    assert np.array_equal(mod_crop(image, 4), image[:4, :8])
    assert mod_crop(image, 1).shape == image.shape


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="62 x 64 cannot be reduced by 4"):
        make_lr(np.zeros((62, 64, 3), np.uint8), 4)
    with pytest.raises(DataError, match="float32"):
        make_lr(np.zeros((64, 64, 3), np.float32), 4)
    with pytest.raises(DataError, match="scale 1"):
        make_lr(np.zeros((64, 64, 3), np.uint8), 1)
