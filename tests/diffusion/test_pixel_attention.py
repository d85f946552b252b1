"""Attention to the features of a ControlNet: as many heads as divide the channels."""

import pytest
import torch

from segsr_arch.diffusion.steering.pixel_attention import PixelAttention


@pytest.mark.parametrize(("channels", "heads"), [(16, 1), (96, 1), (224, 2), (320, 5), (448, 7), (1280, 20)])
def test_channels_that_are_no_multiple_of_a_head_are_shared_by_fewer(channels, heads):
    torch.manual_seed(0)
    attention = PixelAttention(channels=channels, control_channels=32, groups=8)
    assert attention.heads == heads
    features, control = torch.randn(2, channels, 3, 5), torch.randn(2, 32, 3, 5)
    with torch.no_grad():
        assert torch.equal(attention(features, control), features), "nothing before training"
        torch.nn.init.normal_(attention.leave.weight)
        seen = attention(features, control)
        other = attention(features, control.roll(1, dims=-1))
    assert seen.shape == features.shape and (seen - features).abs().min() > 0
    torch.testing.assert_close(other, seen, atol=1e-3, rtol=1e-3)  # all of it is looked at, wherever it stands
