"""The whole SPT, from an LR image to an SR image."""

from operator import attrgetter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.parts.enlargement import image_mean, make_upsampler
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc
from segsr_arch.archs.parts.network_options import ChecksOptions
from segsr_arch.archs.spt.attention import POOLED_SIDES
from segsr_arch.archs.spt.blocks import ScaleAwareBlock, ScaleAwareLayer
from segsr_arch.archs.spt.options import SPTOptions
from segsr_arch.capabilities import Capabilities
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.padding import crop, pad_to_multiple

_UPSAMPLER_CHANNELS = 64


class SPTNetwork(ChecksOptions, nn.Module):
    """Scale-Aware Back-Projection Transformer (Hao et al., IEEE TGRS 2024).

    Blocks (SPTB) of layers (SPAL), in which every pixel attends to what mean and maximum pooling at three scales leave
    of the image, and in which the error between deep and shallow features is fed back; the result is added to the
    bilinearly enlarged image, reduced again, and what it lacks of the LR image is enlarged and added (PRM).
    Written anew after the paper's abstract; where it is silent, numbers are those of the authors' program:

    - Attention has 64 of the 96 channels. The six heads of the paper are 16 channels wide, and four of them fit in.
    - One 3x3 convolution of single channels for each pooled scale serves all layers as position encoding.
    - The last correction is a 3x3 convolution to 64 channels and a 1x1 one back, with nothing between them.

    Decided here:

    - Images are padded by reflection to multiples of the largest pooled square (8) and the result is cut, so that all
      squares are whole; the authors pool unequal ones, and in images that are not square, wrong ones (their program
      exchanges height and width there).
    - The mean of DIV2K is taken off and put back once; the authors' program enlarges the image with it and adds it
      again, which the last bias has to learn away.

    The blocks ``layers[i]`` get and return (B, Hp, Wp, C), where Hp and Wp are the padded LR size; their return value
    is what the next one reads, so a forward hook may replace it.

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.spt.options.SPTOptions`.

    Raises:
        ConfigError: If an argument is wrong.
    """

    options_type = SPTOptions
    capabilities = Capabilities(takes_any_size=True, size_multiple=attrgetter("size_multiple"), units=("layers",))
    mean: Tensor

    @takes_fields_of(SPTOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        options = SPTOptions(**arguments)
        channels, inner = options.embed_dim, options.inner_dim
        self.upscale = options.upscale
        self.img_range = options.img_range
        self.size_multiple = max(POOLED_SIDES)
        self.register_buffer("mean", image_mean(options.in_chans), persistent=False)

        def make_layer() -> ScaleAwareLayer:
            return ScaleAwareLayer(
                dim=channels,
                inner=inner,
                heads=options.inner_heads,
                hidden=int(channels * options.mlp_ratio),
                qkv_bias=options.qkv_bias,
            )

        self.conv_first = nn.Conv2d(options.in_chans, channels, 3, padding=1)
        self.norm_first = nn.LayerNorm(channels)
        self.positions = nn.ModuleList([nn.Conv2d(inner, inner, 3, padding=1, groups=inner) for _ in POOLED_SIDES])
        self.layers = nn.ModuleList(
            [
                ScaleAwareBlock(
                    dim=channels,
                    layers=[make_layer() for _ in range(depth)],
                    use_checkpoint=options.use_checkpoint,
                )
                for depth in options.depths
            ]
        )
        self.norm = nn.LayerNorm(channels)
        self.conv_after_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_before_upsample = nn.Sequential(
            nn.Conv2d(channels, _UPSAMPLER_CHANNELS, 3, padding=1), nn.LeakyReLU(inplace=True)
        )
        self.upsample = make_upsampler(options.upscale, _UPSAMPLER_CHANNELS)
        self.conv_last = nn.Conv2d(_UPSAMPLER_CHANNELS, options.in_chans, 3, padding=1)
        self.correction = nn.Sequential(
            nn.Conv2d(options.in_chans, _UPSAMPLER_CHANNELS, 3, padding=1),
            nn.Conv2d(_UPSAMPLER_CHANNELS, options.in_chans, 1),
        )

    def forward(self, lq: Tensor) -> Tensor:
        """Super-resolve.

        Args:
            lq: LR images (B, in_chans, H, W), values in [0, 1], any size of at least one pixel.

        Returns:
            SR images (B, in_chans, sH, sW), about [0, 1], not clipped.
        """
        height, width = lq.shape[2:]
        image = pad_to_multiple((lq - self.mean) * self.img_range, self.size_multiple)
        x = self.conv_first(image.contiguous(memory_format=torch.channels_last))
        x = self.conv_after_body(to_nchw(self._transform(to_nhwc(x)))) + x
        x = self.conv_last(self.upsample(self.conv_before_upsample(x))) + self._enlarged(image)
        error = image - F.interpolate(x, size=image.shape[2:], mode="bilinear")
        error = error.to(self.conv_last.weight.dtype)  # a cast network reads and writes images in float32
        x = (x + self._enlarged(self.correction(error))) / self.img_range + self.mean
        return crop(x, height * self.upscale, width * self.upscale).contiguous()

    def _enlarged(self, image: Tensor) -> Tensor:
        return F.interpolate(image, scale_factor=self.upscale, mode="bilinear")

    def _transform(self, x: Tensor) -> Tensor:
        """Deep features (B, Hp, Wp, C) of shallow ones."""
        x = self.norm_first(x)
        for layer in self.layers:
            x = layer(x, self.positions)
        features: Tensor = self.norm(x)
        return features
