"""What a network diffuses: latents of an image, or what they have beyond those of an enlarged LR image."""

from torch import Tensor

from segsr_arch.diffusion.parts.autoencoders import Autoencoder, encode_frozen
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions


class Diffused:
    """Between HR images and what is diffused.

    Args:
        autoencoder: Between images and latents.
        over_base: Whether the latents of a base, the LR image enlarged, are taken off.
        std: Standard deviation of what is left, which is divided by it.
        tile: Tiles of the autoencoder.
    """

    def __init__(self, autoencoder: Autoencoder, *, over_base: bool, std: float, tile: LatentTileOptions) -> None:
        self._autoencoder, self._over_base, self._std, self._tile = autoencoder, over_base, std, tile

    def of(self, hr: Tensor, enlarged: Tensor) -> Tensor:
        """What is diffused, at about unit variance (B, channels, h, w), of images (B, 3, H, W) in [0, 1]."""
        latents = encode_frozen(self._autoencoder, hr, self._tile)
        if self._over_base:
            latents = latents - encode_frozen(self._autoencoder, enlarged, self._tile)
        return latents / self._std

    def expected(self, enlarged: Tensor) -> Tensor | None:
        """What is diffused, as far as the LR image tells: the latents of the base; ``None``, nothing, over a base."""
        return None if self._over_base else encode_frozen(self._autoencoder, enlarged, self._tile) / self._std

    def image(self, diffused: Tensor, enlarged: Tensor) -> Tensor:
        """The reverse: images (B, 3, H, W), about [0, 1], not clipped."""
        latents = diffused * self._std
        if self._over_base:
            latents = latents + self._autoencoder.encode(enlarged, self._tile)
        return self._autoencoder.decode(latents, self._tile)
