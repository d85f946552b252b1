"""The attention of SPT: from all pixels to what pooling at several scales leaves of them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc
from segsr_arch.archs.parts.perceptron import make_linear

# Sides of the pooled squares in LR pixels, each twice the one before.
POOLED_SIDES = (2, 4, 8)


def pyramid(x: Tensor) -> list[Tensor]:
    """Mean plus maximum of the squares of each of :data:`POOLED_SIDES`.

    Args:
        x: (B, C, H, W), H and W multiples of the largest side.

    Returns:
        (B, C, H / side, W / side) for each side.
    """
    mean = largest = x
    pooled = []
    for _ in POOLED_SIDES:
        mean, largest = F.avg_pool2d(mean, 2), F.max_pool2d(largest, 2)
        pooled.append(mean + largest)
    return pooled


class PyramidAttention(nn.Module):
    """Attention from every pixel to the pooled ones of all scales (SPT: pyramid pooling-based self-attention).

    Args:
        dim: channels C.
        heads: attention heads, a divisor of ``dim``.
        qkv_bias: whether query, key and value have a bias.
    """

    def __init__(self, *, dim: int, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = make_linear(dim, dim, bias=qkv_bias)
        self.norm = nn.LayerNorm(dim)
        self.key_value = make_linear(dim, 2 * dim, bias=qkv_bias)
        self.proj = make_linear(dim, dim)

    def forward(self, x: Tensor, positions: Sequence[nn.Module]) -> Tensor:
        """Attend.

        Args:
            x: (B, H, W, C), H and W multiples of the largest pooled side.
            positions: convolution of each pooled scale, which is added to it.

        Returns:
            (B, H, W, C).
        """
        pooled = [
            to_nhwc(scale + position(scale)).flatten(1, 2)
            for scale, position in zip(pyramid(to_nchw(x)), positions, strict=True)
        ]
        key_value = self.key_value(self.norm(torch.cat(pooled, 1))).unflatten(2, (2, self.heads, -1))
        key, value = key_value.permute(2, 0, 3, 1, 4).unbind()
        query = self.query(x).flatten(1, 2).unflatten(2, (self.heads, -1)).transpose(1, 2)
        attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        projected: Tensor = self.proj(attended).unflatten(1, x.shape[1:3])
        return projected

    def extra_repr(self) -> str:
        """Describe the heads in the printed network."""
        return f"heads={self.heads}"
