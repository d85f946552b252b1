import math

import numpy as np
import pytest
import torch
from basicsr.utils.matlab_functions import imresize

from segsr_arch.archs.bicubic_arch import Bicubic

SIZES = [(1, 1), (1, 7), (2, 3), (5, 4), (37, 64)]


def weights(size, scale):
    """Keys' kernel with a = -1/2 over an axis that goes on as in a mirror: (scale * size, size)."""
    matrix = np.zeros((scale * size, size))
    for place in range(scale * size):
        position = (place + 0.5) / scale - 0.5
        for pixel in range(math.floor(position) - 1, math.floor(position) + 3):
            d = abs(position - pixel)
            weight = 1.5 * d**3 - 2.5 * d**2 + 1 if d <= 1 else -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
            mirrored = pixel % (2 * size)
            matrix[place, min(mirrored, 2 * size - 1 - mirrored)] += weight if d < 2 else 0
    return matrix


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("size", SIZES)
def test_the_values_are_those_of_the_formula(scale, size):
    lq = torch.rand(2, 3, *size)
    expected = weights(size[0], scale) @ lq.double().numpy() @ weights(size[1], scale).T
    sr = Bicubic(upscale=scale)(lq)
    assert sr.dtype == torch.float32 and sr.shape == expected.shape
    assert np.abs(sr.numpy() - expected).max() < 1e-6


@pytest.mark.parametrize("scale", [2, 4, 8])  # at others, imresize knows where its pixels lie to 1e-5
@pytest.mark.parametrize("size", SIZES)
def test_the_values_are_those_of_imresize(scale, size):
    lq = torch.rand(3, *size)
    torch.testing.assert_close(Bicubic(upscale=scale)(lq[None])[0], imresize(lq, scale), atol=1e-6, rtol=0)


def test_what_is_constant_stays_constant_and_the_image_what_it_is():
    lq = torch.full((1, 3, 33, 20), 0.37)
    sr = Bicubic(upscale=3)(lq)
    assert torch.equal(sr, torch.full_like(sr, 0.37)) and torch.equal(lq, torch.full_like(lq, 0.37))
