"""The whole HAT, from an LR image to an SR image."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

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
from segsr_arch.archs.hat.options import HATOptions
from segsr_arch.archs.parts.enlargement import image_mean, make_upsampler
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc
from segsr_arch.capabilities import Capabilities
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.padding import crop, pad_to_multiple

_UPSAMPLER_CHANNELS = 64


class _PatchEmbedding(nn.Module):
    """Only the norm is left of the public HAT's patch embedding, as its patches are single pixels."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, H, W, C)."""
        normalised: Tensor = self.norm(x)
        return normalised


class HATNetwork(nn.Module):
    """Hybrid Attention Transformer (Chen et al., "Activating More Pixels in Image Super-Resolution Transformer").

    Computes the same as the public HAT with the same weights and has its state-dict names, but keeps features as
    (B, H, W, C) throughout. The groups ``layers[i]`` get and return (B, Hp, Wp, C), where Hp and Wp are the padded
    LR size; their return value is what the next one reads, so a forward hook may replace it.

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.hat.options.HATOptions`.

    Raises:
        ConfigError: If an argument is wrong.
    """

    capabilities = Capabilities(takes_any_size=True, size_multiple=attrgetter("window_size"), units=("layers",))
    mean: Tensor
    shift_mask: Tensor
    relative_position_index_SA: Tensor
    relative_position_index_OCA: Tensor

    @takes_fields_of(HATOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        options = HATOptions(**arguments)
        channels, window = options.embed_dim, options.window_size
        self.upscale = options.upscale
        self.img_range = options.img_range
        self.window_size = window
        key_window = window + int(window * options.overlap_ratio)
        hidden = int(channels * options.mlp_ratio)
        self.register_buffer("mean", image_mean(options.in_chans), persistent=False)
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
                compressed=int(channels // options.compress_ratio),
                squeezed=int(channels // options.squeeze_factor),
                conv_scale=options.conv_scale,
                hidden=hidden,
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
                hidden=hidden,
                qkv_bias=options.qkv_bias,
            )
            blocks = [make_block(heads, place, next(rates)) for place in range(depth)]
            group = AttentionBlocks(blocks=blocks, overlap_attn=overlap_attn)
            self.layers.append(
                ResidualGroup(residual_group=group, conv=make_conv(), use_checkpoint=options.use_checkpoint)
            )
        self.norm = nn.LayerNorm(channels)
        self.conv_after_body = make_conv()
        self.conv_before_upsample = nn.Sequential(
            nn.Conv2d(channels, _UPSAMPLER_CHANNELS, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        self.upsample = make_upsampler(options.upscale, _UPSAMPLER_CHANNELS)
        self.conv_last = nn.Conv2d(_UPSAMPLER_CHANNELS, options.in_chans, 3, padding=1)

    @staticmethod
    def check_options(options: Mapping[str, Any]) -> None:
        """Check constructor arguments before anything is built; those that are missing have their defaults.

        Args:
            options: Arguments by name; other entries are not looked at.

        Raises:
            ConfigError: If some are wrong; all of them are named.
        """
        HATOptions.among(options)

    def forward(self, lq: Tensor) -> Tensor:
        """Super-resolve.

        Args:
            lq: LR images (B, in_chans, H, W), values in [0, 1], any size of at least one pixel.

        Returns:
            SR images (B, in_chans, sH, sW), about [0, 1], not clipped.
        """
        height, width = lq.shape[2:]
        x = pad_to_multiple((lq - self.mean) * self.img_range, self.window_size)
        x = self.conv_first(x.contiguous(memory_format=torch.channels_last))
        x = self.conv_after_body(to_nchw(self._transform(to_nhwc(x)))) + x
        x = self.conv_last(self.upsample(self.conv_before_upsample(x)))
        x = x / self.img_range + self.mean
        return crop(x, height * self.upscale, width * self.upscale).contiguous()

    def fix_constants(self) -> None:
        """Look up the position biases of all blocks once, for inference; they follow the tables no longer.

        What is stored, 2.5 MB a block and more, depends neither on the size of the image nor on the batch.
        """
        plan = self._plan(1, self.window_size, self.window_size)
        for block in self.layers.modules():
            if isinstance(block, HybridAttentionBlock):
                block.attn.fix_bias(plan.self_index, plan.mask if block.shifted else None)
            elif isinstance(block, OverlappingAttentionBlock):
                block.fix_bias(plan.cross_index, None)

    def _plan(self, batch: int, height: int, width: int) -> WindowPlan:
        return make_plan(
            batch,
            height,
            width,
            window=self.window_size,
            self_index=self.relative_position_index_SA,
            cross_index=self.relative_position_index_OCA,
            mask=self.shift_mask,
        )

    def _transform(self, x: Tensor) -> Tensor:
        """Deep features (B, Hp, Wp, C) of shallow ones."""
        plan = self._plan(*x.shape[:3])
        x = self.patch_embed(x)
        for layer in self.layers:
            x = layer(x, plan)
        features: Tensor = self.norm(x)
        return features
