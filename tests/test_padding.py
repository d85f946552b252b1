import numpy as np
import pytest
import torch

from segsr_arch.padding import pad_to_multiple


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (15, 17), (16, 16), (50, 61)])
def test_equals_numpys_reflection_of_any_size(size):
    image = torch.rand(1, 2, *size)
    pads = [(-side) % 16 for side in size]
    expected = np.pad(image.numpy(), [(0, 0), (0, 0), (0, pads[0]), (0, pads[1])], mode="reflect")
    np.testing.assert_array_equal(pad_to_multiple(image, 16).numpy(), expected)


def test_nothing_to_pad_is_no_copy():
    image = torch.rand(1, 3, 32, 16)
    assert pad_to_multiple(image, 16) is image
