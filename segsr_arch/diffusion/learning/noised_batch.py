"""What a step of the training of a latent diffusion is computed from."""

from dataclasses import dataclass

from torch import Tensor

from segsr_arch.diffusion.steering.control import StemOutput
from segsr_arch.diffusion.steering.steered_unet import Steering


@dataclass(frozen=True, kw_only=True, eq=False)
class NoisedBatch:
    """What a step of a training is computed from.

    Attributes:
        image: What steers (B, 3, H, W), RGB in [0, 1]; sides are whole blocks of the autoencoder.
        hr: HR images of the same size.
        stem: What the stem reads off the image.
        clean: What is diffused (B, C, h, w).
        noise: Standard normal noise (B, C, h, w).
        t: Time steps (B,).
        latents: Both, mixed as the schedule says.
        steering: What steers the prediction.
    """

    image: Tensor
    hr: Tensor
    stem: StemOutput
    clean: Tensor
    noise: Tensor
    t: Tensor
    latents: Tensor
    steering: Steering
