"""The blocks of HAUNet that see one scale, on features of shape (B, H, W, C), and stages of them on (B, C, H, W)."""

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from segsr_arch.archs.haunet.attention import channel_weights, depthwise, from_heads, to_heads, unit_vectors
from segsr_arch.archs.haunet.rectified_attention import rectified_attention
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc

NORM_EPS = 1e-6


class WeightedSum(nn.Module):
    """Adds a branch whose channels have weights that are learned and begin with zero.

    Args:
        dim: channels C.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        """Add the branch to x, both (..., C)."""
        return torch.addcmul(x, branch, self.weight)


class GatedPerceptron(nn.Module):
    """Two linear layers; half of the channels between them are multiplied with the other half.

    Args:
        dim: channels C.
    """

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.expand = nn.Linear(dim, 2 * dim)
        self.project = nn.Linear(dim, dim)
        self.sum = WeightedSum(dim=dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (..., C)."""
        one, other = self.expand(self.norm(x)).chunk(2, dim=-1)
        transformed: Tensor = self.sum(x, self.project(one * other))
        return transformed


class SingleScaleBlock(nn.Module):
    """Attention between channels and, at the finest scale, between pixels, then a perceptron (HAUNet: CEM, S-CEM).

    Queries, keys and values of both attentions are the same; each head has so many of their channels. Scores are
    cosines times a temperature for each head, negative ones are zero (:mod:`.rectified_attention`).

    Args:
        dim: channels C.
        heads: attention heads, a divisor of ``dim``.
        between_pixels: whether all pixels attend to each other, too.
    """

    def __init__(self, *, dim: int, heads: int, between_pixels: bool) -> None:
        super().__init__()
        self.heads = heads
        self.between_pixels = between_pixels
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.local = depthwise(3 * dim)
        self.channel_temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.channel_project = nn.Linear(dim, dim)
        self.channel_sum = WeightedSum(dim=dim)
        if between_pixels:
            self.pixel_temperature = nn.Parameter(torch.ones(heads, 1, 1))
            self.pixel_project = nn.Linear(dim, dim)
            self.pixel_sum = WeightedSum(dim=dim)
        self.perceptron = GatedPerceptron(dim=dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, H, W, C)."""
        height, width = x.shape[1:3]
        qkv = to_nhwc(self.local(to_nchw(self.qkv(self.norm(x)))))
        query, key, value = (to_heads(part, self.heads) for part in qkv.chunk(3, dim=3))
        attended = value @ channel_weights(query, key, self.channel_temperature)
        x = self.channel_sum(x, self.channel_project(from_heads(attended, height, width)))
        if self.between_pixels:
            query = unit_vectors(query, 3) * self.pixel_temperature.to(query.dtype)
            parts = (part.flatten(0, 1) for part in (query, unit_vectors(key, 3), value))
            attended = torch.unflatten(rectified_attention(*parts), 0, (-1, self.heads))
            x = self.pixel_sum(x, self.pixel_project(from_heads(attended, height, width)))
        transformed: Tensor = self.perceptron(x)
        return transformed

    def extra_repr(self) -> str:
        """Describe the heads in the printed network."""
        return f"heads={self.heads}"


class Stage(nn.Module):
    """The blocks of one scale on one side of the U.

    This is a *unit* of the semantic guide. Input and output are (B, C, H, W) at the resolution of the scale.

    Args:
        blocks: the blocks.
        use_checkpoint: compute the stage again in the backward pass, to save memory.
    """

    def __init__(self, *, blocks: list[SingleScaleBlock], use_checkpoint: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.use_checkpoint = use_checkpoint

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, H, W)."""
        if self.use_checkpoint and torch.is_grad_enabled():
            transformed: Tensor = checkpoint(self._transform, x, use_reentrant=False)
            return transformed
        return self._transform(x)

    def _transform(self, x: Tensor) -> Tensor:
        x = to_nhwc(x.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            x = block(x)
        return to_nchw(x)
