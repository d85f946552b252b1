"""Samples of a steered UNet: in tiles, with each step's weight of guidance, computed where that is needed."""

import torch
from torch import Tensor

from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions, tiled
from segsr_arch.diffusion.samplers.sampling import SamplerOptions, sample
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.diffusion.steering.acceleration import Accelerator
from segsr_arch.diffusion.steering.steered_unet import SteeredUNet, Steering
from segsr_arch.windows import Window


def sample_steered(
    unet: SteeredUNet,
    steering: Steering,
    noise: Tensor,
    *,
    schedule: NoiseSchedule,
    sampler: SamplerOptions,
    tile: LatentTileOptions,
    accelerator: Accelerator,
    expected: Tensor | None,
    strength: float,
) -> Tensor:
    """Sample clean latents of a batch.

    Args:
        unet: What predicts.
        steering: What steers it, at the size of the latents.
        noise: Standard normal noise (B, C, h, w), float32.
        schedule: The schedule that the UNet was trained on.
        sampler: Solver and guidance, of one weight or of one that depends on the noise.
        tile: How latents are cut.
        accelerator: Which steps take an earlier estimate.
        expected: What clean latents are about, see :func:`~segsr_arch.diffusion.samplers.sampling.sample`.
        strength: How much of the steps is run, see there.

    Returns:
        Clean latents (B, C, h, w), float32.

    Raises:
        ConfigError: If the solver cannot do with so many steps, or none of them can take an earlier estimate.
    """
    accelerated = accelerator.begin(schedule, sampler, strength=strength)

    def predict(latents: Tensor, t: float, window: Window) -> Tensor:
        times, seen = torch.full((latents.shape[0],), t, device=latents.device), steering.at(window)
        weight = sampler.guidance_at(t, schedule)
        if accelerated is None:
            return unet.predict_guided(latents, times, seen, weight)
        encoded = unet.encode_guided(latents, times, seen, weight)

        def complete(places: Tensor | slice) -> Tensor:
            some = seen.some(places)
            return unet.predict_guided(latents[places], times[places], some, weight, encoded.some(places))

        return accelerated.predict(latents, t, window, encoded=encoded, complete=complete)

    return sample(tiled(predict, tile), noise, schedule, sampler, expected=expected, strength=strength)
