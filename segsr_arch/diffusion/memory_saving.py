"""What saves memory of a latent diffusion: attention in slices, half precision, parts that wait on the CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from segsr_arch.diffusion.latent_options import LatentDiffusionOptions
from segsr_arch.diffusion.steering.steered_unet import SteeredUNet
from segsr_arch.errors import ConfigError


def save_memory(unet: SteeredUNet, options: LatentDiffusionOptions) -> SteeredUNet:
    """Change a steered UNet, whose parts have their weights, in place as options ask for, and return it.

    Linear layers and convolutions that are frozen, but for those of the autoencoder, are cast to the precision that is
    asked for, in which autocast runs them. Normalisations and embeddings, which are small, stay in float32, and so does
    what is trained.

    Raises:
        ConfigError: If parts are to wait on the CPU, and there is nowhere else to be.
    """
    check_offload(options.cpu_offload)
    unet.parts.stays = options.cpu_offload
    if options.attention_slicing:
        for model in (unet.parts.unet, unet.control.net):
            model.set_attention_slice("max")
    if options.precision == "bf16":
        unet.computes_in = torch.bfloat16
        for layer in [*unet.parts.unet.modules(), *unet.parts.text.modules()]:
            if isinstance(layer, (nn.Linear, nn.Conv2d)) and not layer.weight.requires_grad:
                layer.to(unet.computes_in)
    return unet


def check_offload(wanted: bool) -> None:
    """Refuse to let parts wait on the CPU where there is nowhere else to be.

    Raises:
        ConfigError: If it is wanted and there is no accelerator.
    """
    if wanted and not torch.cuda.is_available():
        raise ConfigError(
            "network_g: cpu_offload: parts wait on the CPU while others run on an accelerator, and torch finds none "
            "here; remove it."
        )


@contextmanager
def brought(module: nn.Module, device: torch.device, *, waits: bool) -> Iterator[None]:
    """Have a module where it is needed in the block, and on the CPU again afterwards.

    Args:
        module: Waits on the CPU.
        device: Where it is needed.
        waits: Whether it waits at all; otherwise nothing is moved.

    Raises:
        ConfigError: If it is needed on the CPU.
    """
    if not waits:
        yield
        return
    if device.type == "cpu":
        raise ConfigError("network_g: cpu_offload: the images are on the CPU (num_gpu: 0?); remove it.")
    module.to(device)
    try:
        yield
    finally:
        module.to("cpu")
