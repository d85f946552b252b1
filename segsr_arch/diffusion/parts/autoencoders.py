"""Between images and what is diffused: the autoencoder of Stable Diffusion, or pixels put in another order."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.diffusion.parts.autoencoder_tiles import decode_in_tiles, encode_in_tiles
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions

WHOLE = LatentTileOptions()


class Autoencoder(nn.Module, ABC):
    """Maps RGB images to latents and back, in tiles where that is asked for and would save memory.

    Both are computed in float32, whatever autocast the rest of a network runs in: that of Stable Diffusion loses much
    in half precision.

    Attributes:
        factor: How many pixels a side of a latent stands for; sides of images are multiples of it.
        channels: Of latents.
    """

    factor: int
    channels: int

    def encode(self, images: Tensor, tile: LatentTileOptions = WHOLE) -> Tensor:
        """Encode images (B, 3, H, W), RGB in [0, 1], to latents (B, channels, H / factor, W / factor), float32."""
        with torch.autocast(images.device.type, enabled=False):
            return self._encode(images.float(), tile)

    def decode(self, latents: Tensor, tile: LatentTileOptions = WHOLE) -> Tensor:
        """Decode latents (B, channels, h, w) to images (B, 3, factor * h, factor * w), about [0, 1], not clipped."""
        with torch.autocast(latents.device.type, enabled=False):
            return self._decode(latents.float(), tile)

    @abstractmethod
    def _encode(self, images: Tensor, tile: LatentTileOptions) -> Tensor: ...

    @abstractmethod
    def _decode(self, latents: Tensor, tile: LatentTileOptions) -> Tensor: ...


class PixelAutoencoder(Autoencoder):
    """Puts the pixels of each block side by side as channels, and loses nothing: diffusion in the space of images.

    Args:
        factor: Side of a block in pixels.
    """

    def __init__(self, *, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.channels = 3 * factor**2

    def _encode(self, images: Tensor, tile: LatentTileOptions) -> Tensor:
        """Rearrange images (B, 3, H, W) in [0, 1] to (B, 3 * factor^2, H / factor, W / factor) in [-1, 1]."""
        return F.pixel_unshuffle(2 * images - 1, self.factor)

    def _decode(self, latents: Tensor, tile: LatentTileOptions) -> Tensor:
        """Put the pixels back where they were."""
        return (F.pixel_shuffle(latents, self.factor) + 1) / 2


class LatentAutoencoder(Autoencoder):
    """The autoencoder of Stable Diffusion (Rombach et al. 2022), scaled to about unit variance.

    An image is encoded to the mode of its distribution: the noise of the encoder is far below that of any step.

    Args:
        vae: ``AutoencoderKL`` of diffusers.
    """

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.channels = vae.config.latent_channels
        self._shift = vae.config.shift_factor or 0.0
        self._scaling = vae.config.scaling_factor

    def _encode(self, images: Tensor, tile: LatentTileOptions) -> Tensor:
        """Encode images (B, 3, H, W) in [0, 1] to scaled latents."""
        scaled = 2 * images - 1
        grid = tile.autoencoder_grid(*(side // self.factor for side in images.shape[-2:]))
        if grid is None:
            mode: Tensor = self.vae.encode(scaled).latent_dist.mode()
        else:
            mode = encode_in_tiles(self.vae, scaled, grid, factor=self.factor).chunk(2, dim=1)[0]
        latents: Tensor = (mode - self._shift) * self._scaling
        return latents

    def _decode(self, latents: Tensor, tile: LatentTileOptions) -> Tensor:
        """Decode scaled latents to images."""
        unscaled = latents / self._scaling + self._shift
        grid = tile.autoencoder_grid(*latents.shape[-2:])
        if grid is None:
            images: Tensor = self.vae.decode(unscaled).sample
        else:
            images = decode_in_tiles(self.vae, unscaled, grid, factor=self.factor)
        return (images + 1) / 2


def encode_frozen(autoencoder: Autoencoder, images: Tensor, tile: LatentTileOptions = WHOLE) -> Tensor:
    """Encode images without keeping what a gradient would need: nothing before them is trained."""
    with torch.no_grad():
        return autoencoder.encode(images, tile)
