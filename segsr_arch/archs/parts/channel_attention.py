"""Convolutions with channel attention, as HAT has them beside its windows."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc


class _ChannelGate(nn.Module):
    """Weight of each channel from its mean over the image (RCAN's channel attention, without the product)."""

    def __init__(self, *, dim: int, squeezed: int) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(dim, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, dim, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights (B, 1, 1, C) of (B, H, W, C).

        The layers are read, not called. The pooling would give the gradient of x another layout, and adding that up
        costs more than a convolution; the convolutions see one pixel, where a linear layer is faster.
        """
        _, squeeze, relu, excite, sigmoid = self.attention
        weights: Tensor = sigmoid(_at_one_pixel(excite, relu(_at_one_pixel(squeeze, x.mean((1, 2), keepdim=True)))))
        return weights


def _at_one_pixel(convolution: Any, x: Tensor) -> Tensor:
    """Apply a 1x1 convolution to (B, 1, 1, C)."""
    return F.linear(x, convolution.weight.flatten(1), convolution.bias)


class ChannelAttentionBlock(nn.Module):
    """Two 3x3 convolutions with channel attention (HAT: CAB).

    Args:
        dim: channels C.
        compressed: channels between the two convolutions.
        squeezed: channels within the channel attention.
    """

    def __init__(self, *, dim: int, compressed: int, squeezed: int) -> None:
        super().__init__()
        self.cab = nn.Sequential(
            nn.Conv2d(dim, compressed, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(compressed, dim, 3, padding=1),
            _ChannelGate(dim=dim, squeezed=squeezed),
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return features and their weights apart, so that the caller multiplies and adds in one pass.

        Args:
            x: (B, H, W, C).

        Returns:
            Features (B, H, W, C) and channel weights (B, 1, 1, C) in (0, 1).
        """
        first, activation, second, gate = self.cab
        features = to_nhwc(second(activation(first(to_nchw(x)))))
        return features, gate(features)
