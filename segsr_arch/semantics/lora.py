"""Low-rank adaptation of the vision tower (SeG-SR eq. 2-4), through peft."""

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from torch import nn

from segsr_arch.semantics.config import LORA_TARGETS, SemanticsConfig
from segsr_arch.semantics.dropout import Dropout


def add_lora(visual: nn.Module, config: SemanticsConfig) -> nn.Module:
    """Put LoRA branches beside the linear layers that ``config.lora_targets`` names, in place.

    The second matrix of each branch starts at zero, so the tower computes what it did before.

    Args:
        visual: A tower whose attention has been split.
        config: Rank, alpha, dropout and targets.

    Returns:
        The same tower; only the LoRA matrices are trainable.
    """
    targets = LORA_TARGETS[config.lora_targets or "none"]
    if not targets:
        return visual
    blocks = r"transformer\.resblocks\.\d+\."
    adapter = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=rf"{blocks}(attn|mlp)\.({'|'.join(targets)})",
        bias="none",
    )
    visual = inject_adapter_in_model(adapter, visual)
    for module in visual.modules():
        if isinstance(module, LoraLayer):
            module.cast_input_dtype_enabled = False  # else, under autocast, to float32 and back
            if config.lora_dropout > 0:
                module.lora_dropout.update({name: Dropout(p=config.lora_dropout) for name in module.lora_dropout})
    return visual


def fold_lora(visual: nn.Module) -> nn.Module:
    """Add the product of every LoRA branch to the weight beside it (SeG-SR eq. 2), and remove the branches, in place.

    Args:
        visual: A tower as :func:`add_lora` leaves it.

    Returns:
        The same tower, which computes what it did in evaluation mode.
    """
    for name, module in list(visual.named_modules()):
        if isinstance(module, LoraLayer):
            module.merge()
            parent, _, own = name.rpartition(".")
            setattr(visual.get_submodule(parent), own, module.get_base_layer())
    return visual


def is_lora(parameter_name: str) -> bool:
    """Tell whether a parameter of a network belongs to a LoRA branch, by its name."""
    return ".lora_A." in parameter_name or ".lora_B." in parameter_name
