"""The whole HAUNet, from an LR image to an SR image."""

from operator import attrgetter
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.haunet.blocks import SingleScaleBlock, Stage
from segsr_arch.archs.haunet.interaction import CrossScaleInteraction
from segsr_arch.archs.haunet.options import HAUNetOptions
from segsr_arch.archs.parts.network_options import ChecksOptions
from segsr_arch.capabilities import Capabilities
from segsr_arch.option_fields import takes_fields_of
from segsr_arch.padding import crop, pad_to_multiple


class HAUNetNetwork(ChecksOptions, nn.Module):
    """Hybrid Attention-Based U-Shaped Network (Wang et al., IEEE TGRS 2023), 2.66 M parameters at x4.

    A U of three scales with as many channels each: blocks with attention between channels (CEM; at the finest scale
    between all pixels, too: S-CEM), strided convolutions between them, and one interaction of all scales (CIM) before
    the way up. The result is added to the bilinearly enlarged image. Written anew after the paper's abstract and
    figures; where they are silent, numbers are those of the authors' program: a rectifier on the scores before
    the softmax, two heads where the scales interact, and half of the middle blocks on either side of that. Decided
    here:

    - Sizes that are no multiple of the coarsest grid (4) are padded by reflection, and cut afterwards.
    - The output of each scale in the interaction has a projection of its own. The authors' third one is never used, the
      second twice; the number of parameters is the same.
    - What is the same for repeated pixels is computed once (see :class:`.CrossScaleInteraction`), so that of their
      39.0 GMACs 38.2 are left.

    Four fifths of the work is attention between all pixels, which grows with the square of their number: larger images
    are best cut into tiles. Its memory does not grow so.

    The stages ``encoders[i]``, ``encoder_middle``, ``decoder_middle`` and ``decoders[i]`` get and return (B, C, H, W)
    at H, H/2, H/4, H/4, H/2, H of the padded LR size; their return value is what is read next, so a forward hook may
    replace it.

    Args:
        arguments: Fields of :class:`~segsr_arch.archs.haunet.options.HAUNetOptions`.

    Raises:
        ConfigError: If an argument is wrong.
    """

    options_type = HAUNetOptions
    capabilities = Capabilities(
        takes_any_size=True,
        size_multiple=attrgetter("size_multiple"),
        units=("encoders", "encoder_middle", "decoder_middle", "decoders"),
    )

    @takes_fields_of(HAUNetOptions)
    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        options = HAUNetOptions(**arguments)
        width, scales = options.width, len(options.heads)
        self.upscale = options.upscale
        self.size_multiple = 2 ** (scales - 1)

        def make_stage(count: int, scale: int) -> Stage:
            blocks = [
                SingleScaleBlock(dim=width, heads=options.heads[scale], between_pixels=scale == 0) for _ in range(count)
            ]
            return Stage(blocks=blocks, use_checkpoint=options.use_checkpoint)

        self.conv_first = nn.Conv2d(options.in_chans, width, 3, padding=1)
        self.encoders = nn.ModuleList([make_stage(count, scale) for scale, count in enumerate(options.encoders)])
        self.downs = nn.ModuleList([nn.Conv2d(width, width, 2, stride=2) for _ in options.encoders])
        self.encoder_middle = make_stage(options.middle // 2, scales - 1)
        self.interaction = CrossScaleInteraction(dim=width, scales=scales, heads=options.interaction_heads)
        self.decoder_middle = make_stage(options.middle // 2, scales - 1)
        self.ups = nn.ModuleList([nn.ConvTranspose2d(width, width, 2, stride=2) for _ in options.decoders])
        self.decoders = nn.ModuleList(
            [make_stage(count, scales - 2 - place) for place, count in enumerate(options.decoders)]
        )
        self.upsample = nn.Sequential(
            nn.Conv2d(width, options.in_chans * options.upscale**2, 3, padding=1), nn.PixelShuffle(options.upscale)
        )

    def forward(self, lq: Tensor) -> Tensor:
        """Super-resolve.

        Args:
            lq: LR images (B, in_chans, H, W), values in [0, 1], any size of at least one pixel.

        Returns:
            SR images (B, in_chans, sH, sW), about [0, 1], not clipped.
        """
        height, width = lq.shape[2:]
        image = pad_to_multiple(lq, self.size_multiple)
        x = self.conv_first(image.contiguous(memory_format=torch.channels_last))
        scales = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            scales.append(x)
            x = down(x)
        *skips, x = self.interaction([*scales, self.encoder_middle(x)])
        x = self.decoder_middle(x)
        for decoder, up in zip(self.decoders, self.ups, strict=True):
            x = decoder(up(x) + skips.pop())
        enlarged = F.interpolate(image, scale_factor=self.upscale, mode="bilinear")
        return crop(self.upsample(x) + enlarged, height * self.upscale, width * self.upscale).contiguous()
