"""The layers of SPT and its blocks, on features of shape (B, H, W, C)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from segsr_arch.archs.parts.channel_attention import ChannelAttentionBlock
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc
from segsr_arch.archs.parts.perceptron import Mlp
from segsr_arch.archs.spt.attention import PyramidAttention

_SQUEEZE = 16


class BackProjection(nn.Module):
    """Joins deep features and what channel attention makes of shallower ones: ``A deep + B (shallow - deep)``.

    The difference is the error that back-projection feeds back.

    Args:
        dim: channels of both.
        outputs: channels of the result.
        compression: channel compression between the two convolutions before the channel attention.
    """

    def __init__(self, *, dim: int, outputs: int, compression: int) -> None:
        super().__init__()
        self.shallow = ChannelAttentionBlock(
            dim=dim, compressed=max(dim // compression, 1), squeezed=max(dim // _SQUEEZE, 1)
        )
        self.of_deep = nn.Linear(dim, outputs)
        self.of_error = nn.Linear(dim, outputs)

    def forward(self, deep: Tensor, shallow: Tensor) -> Tensor:
        """Join two (B, H, W, C)."""
        features, gate = self.shallow(shallow)
        joined: Tensor = self.of_deep(deep) + self.of_error(features * gate - deep)
        return joined


class ScaleAwareLayer(nn.Module):
    """Attention to pooled pixels and channel attention side by side, joined, then an MLP (SPT: SPAL).

    Args:
        dim: channels C.
        inner: channels of each of the two branches.
        heads: attention heads, a divisor of ``inner``.
        hidden: hidden channels of the MLP.
        qkv_bias: whether query, key and value have a bias.
    """

    def __init__(self, *, dim: int, inner: int, heads: int, hidden: int, qkv_bias: bool) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.split = nn.Linear(dim, 2 * inner)
        self.attn = PyramidAttention(dim=inner, heads=heads, qkv_bias=qkv_bias)
        self.back_projection = BackProjection(dim=inner, outputs=dim, compression=3)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim=dim, hidden=hidden)

    def forward(self, x: Tensor, positions: Sequence[nn.Module]) -> Tensor:
        """Transform (B, H, W, C); ``positions`` as in :class:`PyramidAttention`."""
        attended, shallow = self.split(self.norm1(x)).chunk(2, dim=3)
        x = x + self.back_projection(self.attn(attended, positions), shallow)
        transformed: Tensor = x + self.mlp(self.norm2(x))
        return transformed


class ScaleAwareBlock(nn.Module):
    """Layers on one half of the features, joined with the other half (SPT: SPTB).

    This is a *unit* of the semantic guide. Input and output are (B, Hp, Wp, C) with the padded size of the LR image; a
    forward hook may return another tensor of that shape and layout, which the next block then reads.

    Args:
        dim: channels C.
        layers: the layers.
        use_checkpoint: compute the block again in the backward pass, to save memory.
    """

    def __init__(self, *, dim: int, layers: list[ScaleAwareLayer], use_checkpoint: bool) -> None:
        super().__init__()
        self.split = nn.Linear(dim, 2 * dim)
        self.layers = nn.ModuleList(layers)
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)
        self.back_projection = BackProjection(dim=dim, outputs=dim, compression=6)
        self.use_checkpoint = use_checkpoint

    def forward(self, x: Tensor, positions: Sequence[nn.Module]) -> Tensor:
        """Transform (B, Hp, Wp, C); ``positions`` as in :class:`PyramidAttention`."""
        if self.use_checkpoint and torch.is_grad_enabled():
            transformed: Tensor = checkpoint(self._transform, x, positions, use_reentrant=False)
            return transformed
        return self._transform(x, positions)

    def _transform(self, x: Tensor, positions: Sequence[nn.Module]) -> Tensor:
        deep, shallow = self.split(x).chunk(2, dim=3)
        for layer in self.layers:
            deep = layer(deep, positions)
        deep = to_nhwc(self.conv(to_nchw(deep)))
        transformed: Tensor = x + self.back_projection(deep, shallow)
        return transformed
