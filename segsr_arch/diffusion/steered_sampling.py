"""The denoiser of a steered UNet: in tiles, with guidance of each step's weight."""

import torch
from torch import Tensor

from segsr_arch.diffusion.latent_tiles import LatentTileOptions, tiled
from segsr_arch.diffusion.sampling import Denoiser, SamplerOptions
from segsr_arch.diffusion.schedule import NoiseSchedule
from segsr_arch.diffusion.steered_unet import SteeredUNet, Steering
from segsr_arch.windows import Window


def steered_denoiser(
    unet: SteeredUNet,
    steering: Steering,
    *,
    schedule: NoiseSchedule,
    sampler: SamplerOptions,
    tile: LatentTileOptions,
) -> Denoiser:
    """Make the denoiser of one sample of a batch.

    Args:
        unet: What predicts.
        steering: What steers it, at the size of the latents.
        schedule: The schedule that it was trained on.
        sampler: Guidance, of one weight or of one that depends on the noise.
        tile: How latents are cut.
    """

    def predict(latents: Tensor, t: float, window: Window) -> Tensor:
        times = torch.full((latents.shape[0],), t, device=latents.device)
        return unet.predict_guided(latents, times, steering.at(window), sampler.guidance_at(t, schedule))

    return tiled(predict, tile)
