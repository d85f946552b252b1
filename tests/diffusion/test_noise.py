import itertools

import pytest
import torch

from segsr_arch.diffusion.samplers.noise import noise_at, noise_of, noise_spaced


def of_window(top, left, height, width, *, seed=3, keys=()):
    with noise_at(top, left):
        return noise_of((2, height, width), seed=seed, keys=keys)


WHOLE = of_window(0, 0, 150, 140)


@pytest.mark.parametrize(
    "window", [(0, 0, 9, 9), (63, 60, 2, 70), (64, 64, 64, 64), (120, 1, 30, 139), (149, 139, 1, 1)]
)
def test_windows_share_the_noise_of_the_place_where_they_lie(window):
    top, left, height, width = window
    assert torch.equal(of_window(*window), WHOLE[:, top : top + height, left : left + width])


def test_the_field_is_normal_noise_without_repetition():
    assert abs(float(WHOLE.mean())) < 0.02 and abs(float(WHOLE.std()) - 1) < 0.02
    blocks = [WHOLE[:, y : y + 64, x : x + 64] for y, x in itertools.product((0, 64), (0, 64))]
    for one, other in itertools.combinations(blocks, 2):
        assert abs(float((one * other).mean())) < 0.05
    assert abs(float((WHOLE[0] * WHOLE[1]).mean())) < 0.05


def test_another_seed_or_purpose_is_another_field():
    for other in (of_window(0, 0, 150, 140, seed=4), of_window(0, 0, 150, 140, keys=("lcm", 1))):
        assert abs(float((WHOLE * other).mean())) < 0.05


def test_outside_of_the_block_noise_has_no_place_even_after_a_failure():
    before = noise_of((2, 9, 9), seed=3, keys=())
    with pytest.raises(ZeroDivisionError), noise_at(5, 5):
        assert not torch.equal(noise_of((2, 9, 9), seed=3, keys=()), before)
        _ = 1 / 0
    assert torch.equal(noise_of((2, 9, 9), seed=3, keys=()), before)


def test_values_that_stand_for_several_pixels_lie_as_far_apart():
    with noise_at(8, 12), noise_spaced(4):
        assert torch.equal(noise_of((2, 5, 5), seed=3, keys=()), WHOLE[:, 2:7, 3:8])
        with noise_spaced(2):
            assert torch.equal(noise_of((2, 5, 5), seed=3, keys=()), WHOLE[:, 4:9, 6:11])
