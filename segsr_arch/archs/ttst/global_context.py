"""Attention of TTST that weighs a near and a far neighbourhood against each other, pixel by pixel."""

import torch
from torch import Tensor, nn

from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc


class GlobalContextAttention(nn.Module):
    """Global context attention (TTST: GCA).

    The near neighbourhood is 3 x 3 pixels, the far one 11 x 11: 5 x 5 of the near ones, two pixels apart. What
    weighs them is their mean and their maximum over the channels, through a 7 x 7 convolution.

    Args:
        dim: channels C, at least 2.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.far = nn.Conv2d(dim, dim, 5, padding=4, dilation=2, groups=dim)
        self.reduce_near = nn.Linear(dim, dim // 2)
        self.reduce_far = nn.Linear(dim, dim // 2)
        self.weigh = nn.Conv2d(2, 2, 7, padding=3)
        self.expand = nn.Linear(dim // 2, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply (B, H, W, C) with its attention."""
        near = self.near(to_nchw(x))
        near, far = self.reduce_near(to_nhwc(near)), self.reduce_far(to_nhwc(self.far(near)))
        mean = (near.mean(3) + far.mean(3)) / 2
        largest = torch.maximum(near.amax(3), far.amax(3))
        weights = torch.sigmoid(self.weigh(torch.stack([mean, largest], 1)))
        attention: Tensor = self.expand(near * weights[:, 0].unsqueeze(3) + far * weights[:, 1].unsqueeze(3))
        return x * attention
