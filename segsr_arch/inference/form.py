"""The form of a network for inference alone: LoRA folded, constants computed once, weights cast once."""

import contextlib
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from segsr_arch.capabilities import PRECISIONS, capabilities_of
from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork

_NORMALISATIONS = (nn.LayerNorm, nn.GroupNorm)
_SIDE = 16  # of the image on which a converted network is tried, if its windows allow it


@runtime_checkable
class HasConstants(Protocol):
    """A network that computes for each image what depends on its weights alone, but need not."""

    def fix_constants(self) -> None:
        """Compute it once; it follows the weights no longer."""


def to_inference_form(network: nn.Module, *, precision: str = "bf16") -> nn.Module:
    """Convert a network, in place, into what inference needs and no more.

    LoRA becomes part of the weights that it adapts (SeG-SR eq. 2), so a checkpoint holds the whole vision tower and
    needs no other weights. What depends on weights alone, such as HAT's position biases, is computed once. With a half
    precision the parameters are cast once, but for those of normalisations, which are small and matter most, and of the
    first and the last convolution of the super-resolution network: there the image is read and written in float32. Sums
    of normalisations and softmax are float32 in torch's own kernels.

    Args:
        network: A guided network or any other one that enlarges (B, 3, H, W) float32 images.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Returns:
        The same network in evaluation mode; its input and output stay float32, and nothing in it can be trained.

    Raises:
        ConfigError: If the precision is not known, or the network cannot be run in it, or is for study alone.
    """
    if precision not in PRECISIONS:
        raise ConfigError(f"precision: {precision!r} is not known; use {', '.join(PRECISIONS)}.")
    network.eval().requires_grad_(False)
    base = network
    if isinstance(network, GuidedNetwork):
        network.guide.refuse_study("the form for inference")
        network.guide.feature_extraction.fold()
        network.form = f"inference, {precision}"
        base = network.base
    declared = capabilities_of(base)
    if precision not in declared.precisions:
        raise ConfigError(
            f"precision: {type(network).__name__} cannot be run in {precision} ({type(base).__name__} can in "
            f"{', '.join(declared.precisions)}); use precision: fp32."
        )
    size = declared.trial_size or (declared.size_rule(base).padded(_SIDE),) * 2
    image = torch.rand(1, 3, *size, device=next(base.parameters(), torch.zeros(())).device)
    if precision != "fp32":
        _cast(network, _ends(base, image.clone()), getattr(torch, PRECISIONS[precision]))
    if isinstance(base, HasConstants):
        base.fix_constants()
        base.register_load_state_dict_post_hook(_fix_constants_again)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        _try(network, image, precision)
    return network


def _ends(base: nn.Module, image: Tensor) -> list[nn.Conv2d]:
    """Find the first and the last convolution that an image passes."""
    passed: list[nn.Conv2d] = []
    convolutions = [module for module in base.modules() if isinstance(module, nn.Conv2d)]
    with contextlib.ExitStack() as stack:
        for module in convolutions:
            stack.callback(module.register_forward_hook(lambda module, *_: passed.append(module)).remove)
        with torch.no_grad():
            base(image)
    return [passed[0], passed[-1]] if passed else []


def _cast(network: nn.Module, ends: list[nn.Conv2d], dtype: torch.dtype) -> None:
    """Cast all parameters but those of the ends, between which features have that type, and of normalisations."""
    norms = [module for module in network.modules() if isinstance(module, _NORMALISATIONS)]
    kept = {id(parameter) for module in (*ends, *norms) for parameter in module.parameters()}
    for parameter in network.parameters():
        if parameter.is_floating_point() and id(parameter) not in kept:
            parameter.data = parameter.data.to(dtype)
    for module in norms:
        module.register_forward_pre_hook(partial(_take, torch.float32, False))  # its kernels on the CPU take both
        module.register_forward_hook(partial(_give, dtype))
    if ends:
        first, last = ends
        last.register_forward_pre_hook(partial(_take, torch.float32, True))
        if first is not last:
            first.register_forward_pre_hook(partial(_take, torch.float32, True))
            first.register_forward_hook(partial(_give, dtype))


def _take(dtype: torch.dtype, on_cpu: bool, _module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Cast what a module gets; on the CPU only if it needs that."""
    if inputs[0].device.type == "cpu" and not on_cpu:
        return inputs
    return (inputs[0].to(dtype), *inputs[1:])


def _give(dtype: torch.dtype, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Cast what a module gives."""
    return output.to(dtype)


def _fix_constants_again(network: HasConstants, _incompatible: Any) -> None:
    network.fix_constants()


def _try(network: nn.Module, image: Tensor, precision: str) -> None:
    """Run a converted network once.

    Raises:
        ConfigError: If it cannot be run, or does not give float32.
    """
    name = type(network).__name__
    try:
        given = network(image).dtype
    except RuntimeError as error:
        raise ConfigError(f"precision: {name} cannot be run in {precision} ({error}); use precision: fp32.") from error
    if given != torch.float32:
        raise ConfigError(f"precision: {name} gives {given} in {precision}, not float32; use precision: fp32.")
