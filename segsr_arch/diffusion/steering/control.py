"""What steers a UNet by the LR image: a stem that reads it at HR size, and a ControlNet made from the UNet.

Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models" (2023); the stem with images at three
resolutions is that of PASD (Yang et al. 2024), on which MSSD builds.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.diffusion.library import diffusers_library


@dataclass(frozen=True, kw_only=True, eq=False)
class StemOutput:
    """What the stem reads off an image.

    Attributes:
        features: (B, C, h, w), added to the first features of the ControlNet; zero before training.
        plain: (B, C', h, w), what these are made of: never zero.
        images: RGB in about [0, 1] at 1/2, 1/4, ... of the size of the image, what it shall look like without blur and
            noise; none of a stem that does not say so.
    """

    features: Tensor
    plain: Tensor
    images: tuple[Tensor, ...]


class ControlStem(nn.Module):
    """Reads an image at the resolution of latents, and says at each halving what it takes it for.

    Args:
        factor: Stride, a power of two: that of the autoencoder.
        channels: Channels of its output.
        widths: Channels at each resolution, from the finest on; the last one is repeated as needed.
        shows: Whether it says what it takes the image for.
    """

    def __init__(
        self, *, factor: int, channels: int, widths: Sequence[int] = (16, 32, 96, 256), shows: bool = True
    ) -> None:
        super().__init__()
        halvings = int(math.log2(factor))
        taken = [widths[min(level, len(widths) - 1)] for level in range(halvings + 1)]
        self.enter = nn.Conv2d(3, taken[0], 3, padding=1)
        self.levels = nn.ModuleList(
            nn.Sequential(
                nn.SiLU(),
                nn.Conv2d(before, before, 3, padding=1),
                nn.SiLU(),
                nn.Conv2d(before, after, 3, padding=1, stride=2),
            )
            for before, after in itertools.pairwise(taken)
        )
        self.heads = nn.ModuleList(nn.Conv2d(width, 3, 3, padding=1) for width in taken[1:] if shows)
        self.plain_channels = taken[-1]
        self.leave = nn.Conv2d(taken[-1], channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> StemOutput:
        """Read an image.

        Args:
            image: LR image enlarged to HR size (B, 3, H, W), RGB in [0, 1]; sides are multiples of the factor.
        """
        features, images = self.enter(image), []
        for place, level in enumerate(self.levels):
            features = level(features)
            if self.heads:
                images.append(self.heads[place](F.silu(features)))
        plain = F.silu(features)
        return StemOutput(features=self.leave(plain), plain=plain, images=tuple(images))


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlOutput:
    """What a ControlNet gives.

    Attributes:
        down: What is added to each skip connection of the UNet; zero before training.
        middle: What is added to the middle; zero before training.
        levels: Features (B, C_l, h_l, w_l) at the end of each resolution, from the finest on, before the zero
            convolutions.
        deepest: Features of the middle (B, C, h, w), before its zero convolution.
    """

    down: tuple[Tensor, ...]
    middle: Tensor
    levels: tuple[Tensor, ...]
    deepest: Tensor


class ControlEncoder(nn.Module):
    """A trained copy of the encoder of a UNet, which gets the stem's features beside the noised latents.

    Args:
        unet: ``UNet2DConditionModel`` of diffusers; its weights are copied.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        model = diffusers_library().ControlNetModel
        self.net = model.from_unet(unet, conditioning_embedding_out_channels=(1, 1))
        self.net.controlnet_cond_embedding = nn.Identity()  # our stem runs once an image, not once a step
        per_level, count = unet.config.layers_per_block, len(unet.config.block_out_channels)
        # One before the first level, then its layers and, but at the last, what makes it smaller.
        self._ends = [per_level + level * (per_level + 1) for level in range(count)]

    @property
    def width(self) -> int:
        """Channels of the deepest features."""
        return int(self.net.config.block_out_channels[-1])

    def forward(
        self, latents: Tensor, t: Tensor, text: Tensor, features: Tensor, added: Mapping[str, Tensor] | None = None
    ) -> ControlOutput:
        """Compute what is added in the UNet.

        Args:
            latents: Noised latents (B, C, h, w).
            t: Time steps (B,).
            text: (B, 77, D).
            features: Of the stem, (B, C', h, w).
            added: What a UNet of Stable Diffusion XL is told besides; ``None`` for others.
        """
        net, seen = self.net, {}

        def keep(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen[module] = inputs[0]

        closing = [*net.controlnet_down_blocks, net.controlnet_mid_block]
        hooks = [module.register_forward_pre_hook(keep) for module in closing]
        try:
            down, middle = net(latents, t, text, features, added_cond_kwargs=added, return_dict=False)
        finally:
            for hook in hooks:
                hook.remove()
        levels = tuple(seen[closing[end]] for end in self._ends)
        return ControlOutput(down=tuple(down), middle=middle, levels=levels, deepest=seen[closing[-1]])


def image_loss(images: Sequence[Tensor], hr: Tensor) -> Tensor:
    """L1 distance of the stem's images to the HR image, reduced to their sizes, summed over them (MSSD, PASD).

    Args:
        images: RGB (B, 3, H / 2^k, W / 2^k).
        hr: (B, 3, H, W), RGB in [0, 1].

    Returns:
        A number.
    """
    losses = []
    for image in images:
        wanted = F.interpolate(hr, size=image.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
        losses.append(F.l1_loss(image.float(), wanted))
    return torch.stack(losses).sum() if losses else hr.new_zeros(())
