"""What HAT and its relatives are alike in: the way from an LR image to an SR image through groups of blocks."""

from abc import ABC, abstractmethod
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from segsr_arch.archs.hat.blocks import (
    AttentionBlocks,
    HybridAttentionBlock,
    OverlappingAttentionBlock,
    ResidualGroup,
)
from segsr_arch.archs.hat.geometry import (
    WindowPlan,
    cross_position_index,
    make_plan,
    self_position_index,
    shift_mask,
)
from segsr_arch.archs.hat.options import HybridOptions
from segsr_arch.archs.parts.enlargement import image_mean, make_upsampler
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc
from segsr_arch.archs.parts.network_options import ChecksOptions
from segsr_arch.archs.parts.perceptron import Mlp
from segsr_arch.capabilities import Capabilities
from segsr_arch.padding import crop, pad_to_multiple

UPSAMPLER_CHANNELS = 64


class _PatchEmbedding(nn.Module):
    """Only the norm is left of the public HAT's patch embedding, as its patches are single pixels."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, H, W, C)."""
        normalised: Tensor = self.norm(x)
        return normalised


class HybridTransformer(ChecksOptions, nn.Module, ABC):
    """Groups of blocks of window attention beside something else, then an enlargement.

    Features are (B, H, W, C) throughout. The groups ``layers[i]`` get and return (B, Hp, Wp, C), where Hp and Wp are
    the padded LR size; their return value is what the next one reads, so a forward hook may replace it.

    Args:
        arguments: Fields of ``options_type``.

    Attributes:
        options_type: What a subclass takes.
        subtracts_mean: Whether the mean of DIV2K is subtracted from RGB.

    Raises:
        ConfigError: If an argument is wrong.
    """

    options_type: ClassVar[type[HybridOptions]]
    subtracts_mean: ClassVar[bool] = False
    capabilities = Capabilities(takes_any_size=True, size_multiple=attrgetter("window_size"), units=("layers",))
    mean: Tensor
    shift_mask: Tensor
    relative_position_index_SA: Tensor
    relative_position_index_OCA: Tensor

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        self.options = options = self.options_type(**arguments)
        channels, window = options.embed_dim, options.window_size
        self.upscale = options.upscale
        self.img_range = options.img_range
        self.window_size = window
        key_window = window + int(window * options.overlap_ratio)
        mean = image_mean(options.in_chans if self.subtracts_mean else 1)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("shift_mask", shift_mask(window), persistent=False)
        self.register_buffer("relative_position_index_SA", self_position_index(window))
        self.register_buffer("relative_position_index_OCA", cross_position_index(window, key_window))

        def make_conv() -> nn.Module:
            has_conv = options.resi_connection == "1conv"
            return nn.Conv2d(channels, channels, 3, padding=1) if has_conv else nn.Identity()

        def make_block(heads: int, place: int, drop_path: float) -> HybridAttentionBlock:
            return HybridAttentionBlock(
                dim=channels,
                window=window,
                heads=heads,
                shifted=place % 2 == 1 and window > 1 and options.img_size > window,
                make_conv_block=partial(self.make_conv_block, heads),
                conv_scale=options.conv_scale,
                make_mlp=self.make_mlp,
                qkv_bias=options.qkv_bias,
                drop_path=drop_path,
            )

        self.conv_first = nn.Conv2d(options.in_chans, channels, 3, padding=1)
        self.patch_embed = _PatchEmbedding(dim=channels)
        count = sum(options.depths)
        rates = iter([options.drop_path_rate * place / max(count - 1, 1) for place in range(count)])
        self.layers = nn.ModuleList()
        for depth, heads in zip(options.depths, options.num_heads, strict=True):
            overlap_attn = OverlappingAttentionBlock(
                dim=channels,
                window=window,
                key_window=key_window,
                heads=heads,
                hidden=int(channels * options.mlp_ratio),
                qkv_bias=options.qkv_bias,
            )
            blocks = [make_block(heads, place, next(rates)) for place in range(depth)]
            group = self.make_group(blocks, overlap_attn)
            self.layers.append(
                ResidualGroup(residual_group=group, conv=make_conv(), use_checkpoint=options.use_checkpoint)
            )
        self.norm = nn.LayerNorm(channels)
        self.conv_after_body = make_conv()
        self.conv_before_upsample = nn.Sequential(
            nn.Conv2d(channels, UPSAMPLER_CHANNELS, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        self.upsample = self.make_upsampler()
        self.conv_last = nn.Conv2d(UPSAMPLER_CHANNELS, options.in_chans, 3, padding=1)

    @abstractmethod
    def make_conv_block(self, heads: int) -> nn.Module:
        """Make what stands beside the window attention of a block, see :class:`HybridAttentionBlock`."""

    def make_mlp(self) -> nn.Module:
        """Make the feed-forward layer of a block."""
        return Mlp(dim=self.options.embed_dim, hidden=int(self.options.embed_dim * self.options.mlp_ratio))

    def make_group(
        self, blocks: list[HybridAttentionBlock], overlap_attn: OverlappingAttentionBlock
    ) -> AttentionBlocks:
        """Make what is within a group of its blocks."""
        return AttentionBlocks(blocks=blocks, overlap_attn=overlap_attn)

    def make_upsampler(self) -> nn.Sequential:
        """Make what enlarges (B, 64, H, W)."""
        return make_upsampler(self.upscale, UPSAMPLER_CHANNELS)

    def forward(self, lq: Tensor) -> Tensor:
        """Super-resolve.

        Args:
            lq: LR images (B, in_chans, H, W), values in [0, 1], any size of at least one pixel.

        Returns:
            SR images (B, in_chans, sH, sW), about [0, 1], not clipped.
        """
        height, width = lq.shape[2:]
        x = pad_to_multiple((lq - self.mean) * self.img_range, self.window_size)
        x = self.enlarge(self.conv_first(x.contiguous(memory_format=torch.channels_last)))
        x = x / self.img_range + self.mean
        return crop(x, height * self.upscale, width * self.upscale).contiguous()

    def fix_constants(self) -> None:
        """Look up the position biases of all blocks once, for inference; they follow the tables no longer.

        What is stored, 2.5 MB a block and more, depends neither on the size of the image nor on the batch.
        """
        plan = self.plan(1, self.window_size, self.window_size)
        for block in self.layers.modules():
            if isinstance(block, HybridAttentionBlock):
                block.attn.fix_bias(plan.self_index, plan.mask if block.shifted else None)
            elif isinstance(block, OverlappingAttentionBlock):
                block.fix_bias(plan.cross_index, None)

    def plan(self, batch: int, height: int, width: int) -> WindowPlan:
        """Lay out the windows of images of a padded size."""
        return make_plan(
            batch,
            height,
            width,
            window=self.window_size,
            self_index=self.relative_position_index_SA,
            cross_index=self.relative_position_index_OCA,
            mask=self.shift_mask,
        )

    def enlarge(self, shallow: Tensor) -> Tensor:
        """Go on from the first convolution, (B, C, Hp, Wp), to the last one, (B, in_chans, sHp, sWp)."""
        x = to_nhwc(shallow)
        plan = self.plan(*x.shape[:3])
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x, plan)
        enlarged: Tensor = self.conv_last(self.upsample(self.before_upsample(x, shallow)))
        return enlarged

    def before_upsample(self, deep: Tensor, shallow: Tensor) -> Tensor:
        """Bring the features of the last group (B, Hp, Wp, C), and the shallow ones, to (B, 64, Hp, Wp)."""
        features: Tensor = self.conv_before_upsample(self.conv_after_body(to_nchw(self.norm(deep))) + shallow)
        return features
