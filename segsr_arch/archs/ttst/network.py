"""TTST as a whole."""

from typing import Any

from torch import Tensor, nn

from segsr_arch.archs.hat.blocks import AttentionBlocks, HybridAttentionBlock, OverlappingAttentionBlock
from segsr_arch.archs.hat.geometry import WindowPlan
from segsr_arch.archs.hat.hybrid import HybridTransformer
from segsr_arch.archs.ttst.feed_forward import MultiScaleFeedForward
from segsr_arch.archs.ttst.global_context import GlobalContextAttention
from segsr_arch.archs.ttst.options import TTSTOptions
from segsr_arch.archs.ttst.token_selection import TokenSelectiveAttention
from segsr_arch.option_fields import takes_fields_of


class TokenSelectiveBlocks(AttentionBlocks):
    """The attention blocks of a group of HAT, then global context attention.

    Args:
        blocks: the blocks with token selective attention.
        overlap_attn: the overlapping block.
        gca: global context attention.
    """

    def __init__(
        self, *, blocks: list[HybridAttentionBlock], overlap_attn: OverlappingAttentionBlock, gca: nn.Module
    ) -> None:
        super().__init__(blocks=blocks, overlap_attn=overlap_attn)
        self.gca = gca

    def forward(self, x: Tensor, plan: WindowPlan) -> Tensor:
        """Transform (B, H, W, C)."""
        weighed: Tensor = self.gca(super().forward(x, plan))
        return weighed


class TTSTNetwork(HybridTransformer):
    """Top-k Token Selective Transformer (Xiao et al., "TTST: A Top-k Token Selective Transformer for Remote Sensing
    Image Super-Resolution", IEEE TIP 2024).

    HAT with windows of 8 pixels, in the blocks of which token selective attention stands in the place of channel
    attention, and a multi-scale layer in that of the MLP; each group, one overlapping attention included, ends with
    global context attention. No mean is subtracted.

    Published code switches the multi-scale layer and the global context off, and so 18.22 M (x2) and 18.37 M (x4)
    parameters and 85.0 GMACs are known of TTST. ``feed_forward: mlp, global_context: false`` is that network: it
    computes the same as the published one with the same weights and has its state-dict names. Decided here:

    - The multi-scale layer is 0.8 C channels wide, because the whole paper's network then has the size above.
      ``multiscale_ratio: 1`` is the width of the layer that published code has and does not use; 19.8 M then.
    - Global context attention stands at the end of a group, before its convolution, and not beside the first one.
    - Stochastic depth drops the multi-scale layer as it does an MLP.
    - Four selections (1/2, 2/3, 3/4 and 4/5 of the keys), as published code has it.

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.ttst.options.TTSTOptions`.

    Raises:
        ConfigError: If an argument is wrong.
    """

    options_type = TTSTOptions
    options: TTSTOptions

    @takes_fields_of(TTSTOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)

    def make_conv_block(self, heads: int) -> nn.Module:
        """Make the token selective attention of a block."""
        return TokenSelectiveAttention(dim=self.options.embed_dim, heads=heads, bias=self.options.qkv_bias)

    def make_mlp(self) -> nn.Module:
        """Make the feed-forward layer of a block."""
        if self.options.feed_forward == "mlp":
            return super().make_mlp()
        return MultiScaleFeedForward(dim=self.options.embed_dim, hidden=self.options.multiscale_channels)

    def make_group(
        self, blocks: list[HybridAttentionBlock], overlap_attn: OverlappingAttentionBlock
    ) -> AttentionBlocks:
        """Make what is within a group of its blocks."""
        if not self.options.global_context:
            return super().make_group(blocks, overlap_attn)
        gca = GlobalContextAttention(dim=self.options.embed_dim)
        return TokenSelectiveBlocks(blocks=blocks, overlap_attn=overlap_attn, gca=gca)
