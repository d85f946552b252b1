"""What an optimizer steps over, and how it computes the step."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from segsr_arch.semantics.lora import is_lora

# Optimizers whose kernels that do a whole step in one pass exist on these devices in every torch this package takes.
_FUSED = ("Adam", "AdamW", "SGD")
_FUSED_DEVICES = ("cpu", "cuda")
# Arguments by which an option file asks for another way to compute the step.
_OTHER_WAYS = ("fused", "foreach", "capturable", "differentiable")


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters of a network that are not frozen, in its order."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def split_lora(network: nn.Module, *, lr: float, lora_lr_factor: float) -> list[dict[str, Any]]:
    """Make the groups of what is trainable: everything but LoRA, then LoRA if there is any.

    Args:
        network: Any network, wrapped for distribution or not.
        lr: Learning rate.
        lora_lr_factor: Learning rate of LoRA over that of the rest.

    Returns:
        Parameter groups for an optimizer.
    """
    lora = [parameter for name, parameter in network.named_parameters() if parameter.requires_grad and is_lora(name)]
    known = set(map(id, lora))
    rest = [parameter for parameter in trainable(network) if id(parameter) not in known]
    groups = [{"params": rest, "lr": lr}]
    return groups + [{"params": lora, "lr": lr * lora_lr_factor}] if lora else groups


def choose_kernels(optim_type: str, options: Mapping[str, Any], device_type: str) -> dict[str, Any]:
    """Choose torch's fused kernels where they exist, unless the option file says how the step is computed.

    The formula is the same. A parameter, its gradient and its averages are read once, not once an operation.

    Args:
        optim_type: Name of a class of ``torch.optim``.
        options: Its arguments from the option file.
        device_type: ``cpu``, ``cuda``, ...: where the parameters are.

    Returns:
        The arguments, with ``fused`` if it is to be used.
    """
    if optim_type not in _FUSED or device_type not in _FUSED_DEVICES or any(way in options for way in _OTHER_WAYS):
        return dict(options)
    return {**options, "fused": True}
