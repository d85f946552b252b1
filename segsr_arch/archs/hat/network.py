"""The whole HAT, from an LR image to an SR image."""

import inspect
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.archs.hat.blocks import (
    AttentionBlocks,
    HybridAttentionBlock,
    OverlappingAttentionBlock,
    ResidualGroup,
    to_nchw,
    to_nhwc,
)
from segsr_arch.archs.hat.geometry import (
    WindowPlan,
    cross_position_index,
    make_plan,
    self_position_index,
    shift_mask,
)
from segsr_arch.archs.hat.validation import check_arguments
from segsr_arch.capabilities import Capabilities
from segsr_arch.padding import crop, pad_to_multiple

# Mean of DIV2K, which the public HAT subtracts from RGB.
_RGB_MEAN = (0.4488, 0.4371, 0.4040)
_UPSAMPLER_CHANNELS = 64


class _PatchEmbedding(nn.Module):
    """Only the norm is left of the public HAT's patch embedding, as its patches are single pixels."""

    def __init__(self, *, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, H, W, C)."""
        return self.norm(x)


def _make_upsampler(upscale: int, channels: int) -> nn.Sequential:
    steps = [3] if upscale == 3 else [2] * (upscale.bit_length() - 1)
    layers: list[nn.Module] = []
    for step in steps:
        layers += [nn.Conv2d(channels, step * step * channels, 3, padding=1), nn.PixelShuffle(step)]
    return nn.Sequential(*layers)


class HATNetwork(nn.Module):
    """Hybrid Attention Transformer (Chen et al., "Activating More Pixels in Image Super-Resolution Transformer").

    Computes the same as the public HAT with the same weights and has its state-dict names, but keeps features as
    (B, H, W, C) throughout. The groups ``layers[i]`` get and return (B, Hp, Wp, C), where Hp and Wp are the padded
    LR size; their return value is what the next one reads, so a forward hook may replace it.

    Args:
        upscale: scale s: 1, 2, 3, 4 or 8.
        in_chans: channels of the input and output; with 3, the mean of DIV2K is subtracted.
        img_size: training patch side of the public option files. Its only effect is the public one: if it is not
            larger than ``window_size``, no block shifts its windows. Inputs may have any size.
        img_range: the input minus mean is multiplied by it, the output divided.
        embed_dim: channels C.
        depths: hybrid blocks of each group.
        num_heads: attention heads of each group.
        window_size: window side in LR pixels.
        compress_ratio: channel compression in the channel attention blocks.
        squeeze_factor: channel compression in their channel attention.
        conv_scale: weight of the channel attention blocks.
        overlap_ratio: the windows of overlapping keys are larger by this part of ``window_size``.
        mlp_ratio: hidden channels of the MLPs in multiples of ``embed_dim``.
        qkv_bias: whether query, key and value have a bias.
        drop_path_rate: stochastic depth rate of the last block; it rises linearly from 0 at the first.
        upsampler: ``pixelshuffle``, the only one there is.
        resi_connection: ``1conv`` (3x3 convolution at the end of each group and of all) or ``identity``.
        use_checkpoint: compute each group again in the backward pass, to save memory.

    Raises:
        ConfigError: If an argument is wrong.
    """

    capabilities = Capabilities(takes_any_size=True, size_multiple=attrgetter("window_size"), units=("layers",))

    def __init__(
        self,
        *,
        upscale: int = 4,
        in_chans: int = 3,
        img_size: int = 64,
        img_range: float = 1.0,
        embed_dim: int = 180,
        depths: Sequence[int] = (6, 6, 6, 6, 6, 6),
        num_heads: Sequence[int] = (6, 6, 6, 6, 6, 6),
        window_size: int = 16,
        compress_ratio: float = 3,
        squeeze_factor: float = 30,
        conv_scale: float = 0.01,
        overlap_ratio: float = 0.5,
        mlp_ratio: float = 2,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.1,
        upsampler: str = "pixelshuffle",
        resi_connection: str = "1conv",
        use_checkpoint: bool = False,
    ) -> None:
        super().__init__()
        check_arguments(
            upscale=upscale,
            in_chans=in_chans,
            img_size=img_size,
            img_range=img_range,
            embed_dim=embed_dim,
            depths=depths,
            num_heads=num_heads,
            window_size=window_size,
            compress_ratio=compress_ratio,
            squeeze_factor=squeeze_factor,
            overlap_ratio=overlap_ratio,
            mlp_ratio=mlp_ratio,
            drop_path_rate=drop_path_rate,
            upsampler=upsampler,
            resi_connection=resi_connection,
        )
        self.upscale = upscale
        self.img_range = img_range
        self.window_size = window_size
        key_window = window_size + int(window_size * overlap_ratio)
        mean = torch.tensor(_RGB_MEAN) if in_chans == 3 else torch.zeros(1)
        self.register_buffer("mean", mean.view(1, -1, 1, 1), persistent=False)
        self.register_buffer("shift_mask", shift_mask(window_size), persistent=False)
        self.register_buffer("relative_position_index_SA", self_position_index(window_size))
        self.register_buffer("relative_position_index_OCA", cross_position_index(window_size, key_window))

        def make_conv() -> nn.Module:
            return nn.Conv2d(embed_dim, embed_dim, 3, padding=1) if resi_connection == "1conv" else nn.Identity()

        def make_block(heads: int, place: int, drop_path: float) -> HybridAttentionBlock:
            return HybridAttentionBlock(
                dim=embed_dim,
                window=window_size,
                heads=heads,
                shifted=place % 2 == 1 and window_size > 1 and img_size > window_size,
                compressed=int(embed_dim // compress_ratio),
                squeezed=int(embed_dim // squeeze_factor),
                conv_scale=conv_scale,
                hidden=int(embed_dim * mlp_ratio),
                qkv_bias=qkv_bias,
                drop_path=drop_path,
            )

        self.conv_first = nn.Conv2d(in_chans, embed_dim, 3, padding=1)
        self.patch_embed = _PatchEmbedding(dim=embed_dim)
        rates = iter([drop_path_rate * place / max(sum(depths) - 1, 1) for place in range(sum(depths))])
        self.layers = nn.ModuleList()
        for depth, heads in zip(depths, num_heads, strict=True):
            overlap_attn = OverlappingAttentionBlock(
                dim=embed_dim,
                window=window_size,
                key_window=key_window,
                heads=heads,
                hidden=int(embed_dim * mlp_ratio),
                qkv_bias=qkv_bias,
            )
            blocks = [make_block(heads, place, next(rates)) for place in range(depth)]
            group = AttentionBlocks(blocks=blocks, overlap_attn=overlap_attn)
            self.layers.append(ResidualGroup(residual_group=group, conv=make_conv(), use_checkpoint=use_checkpoint))
        self.norm = nn.LayerNorm(embed_dim)
        self.conv_after_body = make_conv()
        self.conv_before_upsample = nn.Sequential(
            nn.Conv2d(embed_dim, _UPSAMPLER_CHANNELS, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        self.upsample = _make_upsampler(upscale, _UPSAMPLER_CHANNELS)
        self.conv_last = nn.Conv2d(_UPSAMPLER_CHANNELS, in_chans, 3, padding=1)

    @staticmethod
    def check_options(options: Mapping[str, Any]) -> None:
        """Check constructor arguments before anything is built; those that are missing have their defaults.

        Args:
            options: Arguments by name; other entries are not looked at.

        Raises:
            ConfigError: If some are wrong; all of them are named.
        """
        checked = inspect.signature(check_arguments).parameters
        defaults = inspect.signature(HATNetwork).parameters
        check_arguments(**{name: options.get(name, defaults[name].default) for name in checked})

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
        for layer in self.layers:
            group = layer.residual_group
            for block in group.blocks:
                mask = plan.mask if block.shifted else None
                block.attn.fix_bias(plan.self_index, mask)
            group.overlap_attn.fix_bias(plan.cross_index, None)

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
        return self.norm(x)
