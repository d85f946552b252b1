"""The skip connection of HAUNet: every scale attends to the channels of all scales."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.haunet.attention import channel_weights, depthwise, from_heads, to_heads
from segsr_arch.archs.haunet.blocks import NORM_EPS, GatedPerceptron, WeightedSum
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc


def _resized(x: Tensor, like: Tensor) -> Tensor:
    """Repeat or leave out pixels of (B, H, W, C), by a whole number, to the height and width of another."""
    if x.shape[1:3] == like.shape[1:3]:
        return x
    return to_nhwc(F.interpolate(to_nchw(x), size=like.shape[1:3], mode="nearest"))


class _Scale(nn.Module):
    """What one scale asks for, and what it makes of the answer."""

    def __init__(self, *, dim: int, scales: int, heads: int, finest: bool) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * scales * dim, bias=finest)  # they are summed, and one bias is enough
        self.local = depthwise(dim)
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.project = nn.Linear(dim, dim)
        self.sum = WeightedSum(dim=dim)
        self.perceptron = GatedPerceptron(dim=dim)


class CrossScaleInteraction(nn.Module):
    """Attention from the channels of each scale to those of all scales, at the finest resolution (HAUNet: CIM).

    The paper enlarges every scale to the finest resolution and reduces the results, both by nearest neighbours.
    Whatever sees a pixel alone is computed at the scale's own resolution here: linear layers and norms before the
    enlargement, and for the results only the pixels that the reduction keeps. The numbers are the same.

    Args:
        dim: channels C of every scale.
        scales: number of scales, each half as high and wide as the one before.
        heads: attention heads, a divisor of ``dim``.
    """

    def __init__(self, *, dim: int, scales: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scales = nn.ModuleList(
            [_Scale(dim=dim, scales=scales, heads=heads, finest=place == 0) for place in range(scales)]
        )
        self.local = depthwise(2 * scales * dim)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Let the scales see each other.

        Args:
            features: (B, C, H, W) of each scale, the finest first.

        Returns:
            The same shapes.
        """
        scales = cast("list[_Scale]", list(self.scales))
        inputs = [to_nhwc(each.contiguous(memory_format=torch.channels_last)) for each in features]
        normed = [scale.norm(x) for scale, x in zip(scales, inputs, strict=True)]
        key, value = self._keys_and_values(scales, normed)
        key_heads = to_heads(key, self.heads)
        outputs = []
        for scale, x, norm in zip(scales, inputs, normed, strict=True):
            query = to_nhwc(scale.local(to_nchw(_resized(scale.query(norm), like=key))))
            weights = channel_weights(to_heads(query, self.heads), key_heads, scale.temperature)
            attended = to_heads(_resized(value, like=x), self.heads) @ weights
            x = scale.sum(x, scale.project(from_heads(attended, x.shape[1], x.shape[2])))
            outputs.append(to_nchw(scale.perceptron(x)))
        return outputs

    def _keys_and_values(self, scales: list[_Scale], normed: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H, W, scales * C) at the finest resolution."""
        total: Tensor = scales[-1].key_value(normed[-1])
        for scale, norm in zip(reversed(scales[:-1]), reversed(normed[:-1]), strict=True):
            total = _resized(total, like=norm) + scale.key_value(norm)
        key, value = to_nhwc(self.local(to_nchw(total))).chunk(2, dim=3)
        return key, value
