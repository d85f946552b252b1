"""The feed-forward layer of TTST that sees three sizes of neighbourhoods."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc

_KERNELS = (3, 5, 7)


class MultiScaleFeedForward(nn.Module):
    """Multi-scale feed-forward layer (TTST: MFL).

    Three depthwise convolutions, of 3, 5 and 7 pixels, side by side; a third of the channels of each goes to each of
    three more of the same sizes, so that all pairs of sizes occur.

    Args:
        dim: channels C.
        hidden: hidden channels, a multiple of 3.
    """

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(dim, hidden, bias=False)
        self.first = _depthwise(hidden)
        self.second = _depthwise(hidden)
        self.project_out = nn.Linear(len(_KERNELS) * hidden, dim, bias=False)
        for linear in (self.project_in, self.project_out):
            nn.init.trunc_normal_(linear.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, H, W, C)."""
        hidden = to_nchw(self.project_in(x))
        thirds = [F.relu(convolution(hidden)).chunk(len(_KERNELS), 1) for convolution in self.first]
        mixed = [
            F.relu(convolution(torch.cat(parts, 1)))
            for convolution, parts in zip(self.second, zip(*thirds, strict=True), strict=True)
        ]
        transformed: Tensor = self.project_out(to_nhwc(torch.cat(mixed, 1)))
        return transformed


def _depthwise(channels: int) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False) for kernel in _KERNELS
    )
