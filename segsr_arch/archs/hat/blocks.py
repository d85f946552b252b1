"""The blocks of HAT and its groups, on features of shape (B, H, W, C).

Convolutions see the same memory as a channels-last (B, C, H, W) view, so nothing is copied between attention and
convolution. Module names follow the public HAT, so that its weights load strictly.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from segsr_arch.archs.hat.attention import OverlappingAttention, WindowAttention
from segsr_arch.archs.hat.geometry import WindowPlan
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc
from segsr_arch.archs.parts.perceptron import Mlp


class DropPath(nn.Module):
    """Stochastic depth: in training leaves a whole branch out, per image, and scales what stays.

    Args:
        rate: probability of leaving out, in [0, 1).
    """

    def __init__(self, *, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor, branch: Tensor) -> Tensor:
        """Add what is kept of the branch (B, ...) to x (B, ...)."""
        if not self.training or self.rate == 0:
            return x + branch
        keep = 1 - self.rate
        shape = (x.shape[0],) + (1,) * (x.dim() - 1)
        factor = (torch.rand(shape, device=x.device, dtype=torch.float32) < keep).to(branch.dtype).div_(keep)
        return torch.addcmul(x, branch, factor)

    def extra_repr(self) -> str:
        """Show the rate in the printed network."""
        return f"rate={self.rate:g}"


class HybridAttentionBlock(nn.Module):
    """Window attention and another block side by side, then a feed-forward layer (HAT: HAB).

    Args:
        dim: channels C.
        window: window side in tokens.
        heads: attention heads.
        shifted: whether the windows are shifted by half their side.
        make_conv_block: makes what stands beside the window attention; of (B, H, W, C) it gives features of that shape
            and weights to be multiplied with them, or ``None``.
        conv_scale: weight of its features.
        make_mlp: makes the feed-forward layer.
        qkv_bias: whether query, key and value have a bias.
        drop_path: stochastic depth rate of the attention and feed-forward branches.
    """

    def __init__(
        self,
        *,
        dim: int,
        window: int,
        heads: int,
        shifted: bool,
        make_conv_block: Callable[[], nn.Module],
        conv_scale: float,
        make_mlp: Callable[[], nn.Module],
        qkv_bias: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.shifted = shifted
        self.conv_scale = conv_scale
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim=dim, window=window, heads=heads, qkv_bias=qkv_bias)
        self.conv_block = make_conv_block()
        self.drop_path = DropPath(rate=drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = make_mlp()

    def forward(self, x: Tensor, plan: WindowPlan) -> Tensor:
        """Transform (B, H, W, C)."""
        normed = self.norm1(x)
        features, gate = self.conv_block(normed)
        if self.shifted:
            attended = self.attn(normed, plan.shifted, plan.self_index, plan.mask)
        else:
            attended = self.attn(normed, plan.plain, plan.self_index, None)
        x = self.drop_path(x, attended)
        if gate is None:
            x = torch.add(x, features, alpha=self.conv_scale)
        else:
            x = torch.addcmul(x, features, gate, value=self.conv_scale)
        transformed: Tensor = self.drop_path(x, self.mlp(self.norm2(x)))
        return transformed


class OverlappingAttentionBlock(OverlappingAttention):
    """Overlapping cross-attention, then an MLP (HAT: OCAB).

    Args:
        dim: channels C.
        window: side of the query windows in tokens.
        key_window: side of the key windows in tokens.
        heads: attention heads.
        hidden: hidden channels of the MLP.
        qkv_bias: whether query, key and value have a bias.
    """

    def __init__(self, *, dim: int, window: int, key_window: int, heads: int, hidden: int, qkv_bias: bool) -> None:
        super().__init__(dim=dim, window=window, key_window=key_window, heads=heads, qkv_bias=qkv_bias)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp(dim=dim, hidden=hidden)

    def forward(self, x: Tensor, plan: WindowPlan) -> Tensor:
        """Transform (B, H, W, C)."""
        x = x + self.attend(self.norm1(x), plan.plain, plan.keys, plan.key_margin, plan.cross_index)
        transformed: Tensor = x + self.mlp(self.norm2(x))
        return transformed


class AttentionBlocks(nn.Module):
    """The attention blocks of a group: hybrid ones, then one overlapping.

    Args:
        blocks: the hybrid blocks.
        overlap_attn: the overlapping block.
    """

    def __init__(self, *, blocks: list[HybridAttentionBlock], overlap_attn: OverlappingAttentionBlock) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.overlap_attn = overlap_attn

    def forward(self, x: Tensor, plan: WindowPlan) -> Tensor:
        """Transform (B, H, W, C)."""
        for block in self.blocks:
            x = block(x, plan)
        transformed: Tensor = self.overlap_attn(x, plan)
        return transformed


class ResidualGroup(nn.Module):
    """One group of HAT (RHAG): attention blocks and a convolution, around which the input is added.

    This is a *unit* of the semantic guide. Input and output are (B, Hp, Wp, C) with the padded size of the LR image;
    a forward hook may return another tensor of that shape and layout, which the next group then reads. With gradient
    checkpointing the hook itself stays outside of what is computed twice.

    Args:
        residual_group: the attention blocks.
        conv: 3x3 convolution, or the identity.
        use_checkpoint: compute the group again in the backward pass, to save memory.
    """

    def __init__(self, *, residual_group: AttentionBlocks, conv: nn.Module, use_checkpoint: bool) -> None:
        super().__init__()
        self.residual_group = residual_group
        self.conv = conv
        self.use_checkpoint = use_checkpoint

    def forward(self, x: Tensor, plan: WindowPlan) -> Tensor:
        """Transform (B, Hp, Wp, C); ``plan`` is the network's layout of windows for that size."""
        if self.use_checkpoint and torch.is_grad_enabled():
            transformed: Tensor = checkpoint(self._transform, x, plan, use_reentrant=False)
            return transformed
        return self._transform(x, plan)

    def _transform(self, x: Tensor, plan: WindowPlan) -> Tensor:
        return x + to_nhwc(self.conv(to_nchw(self.residual_group(x, plan))))
