"""What a checkpoint of a guided network says about itself, compared with the network that is to get it."""

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from segsr_arch.errors import CheckpointError
from segsr_arch.semantics import VlmIdentity


def decode_description(state: Tensor) -> dict[str, Any]:
    """Read the description (JSON in an uint8 tensor) that a guided network puts into its checkpoints.

    Raises:
        CheckpointError: If it is none.
    """
    try:
        description = json.loads(bytes(state.cpu().tolist()))
        return {key: description[key] for key in ("upscale", "base", "units", "vlm")}
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"The description of the network (_extra_state) cannot be read ({type(error).__name__}: {error}); the "
            f"checkpoint is damaged. Copy it again, or use an older one."
        ) from error


def check_description(state_dict: Mapping[str, Any], own: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """Check that a checkpoint is one of a guided network, and of which.

    Args:
        state_dict: Its weights by name.
        own: ``upscale``, ``base`` and ``units`` of the network that is to get them.
        strict: Whether these must be equal.

    Returns:
        The description in the checkpoint.

    Raises:
        CheckpointError: If it belongs to another network, or is no guided network's.
    """
    if "_extra_state" not in state_dict:
        raise CheckpointError(
            f"This is no checkpoint of a guided network (it begins with {next(iter(state_dict), 'nothing')!r}). "
            f"Weights of the {own['base']} alone belong to network_g: pretrain_base."
        )
    description = decode_description(state_dict["_extra_state"])
    differing = [key for key, value in own.items() if description[key] != value]
    if strict and differing:
        raise CheckpointError(
            "The checkpoint belongs to another network: "
            + ", ".join(f"{key} {description[key]} in the file, {own[key]} here" for key in differing)
            + ". Correct network_g, or set path: strict_load_g: false to load what fits."
        )
    return description


def check_identity(description: Mapping[str, Any], own: VlmIdentity) -> None:
    """Check that a checkpoint was trained beside the same frozen vision-language model.

    Args:
        description: What :func:`check_description` returns.
        own: Identity of the model that is here.

    Raises:
        CheckpointError: If the digests differ; both models are named.
    """
    theirs = VlmIdentity(**description["vlm"])
    if theirs.digest != own.digest:
        raise CheckpointError(
            f"The checkpoint was trained with the vision-language model {theirs}, but this network has {own}. "
            f"Set network_g: semantics: vlm and pretrained to the one that the checkpoint was trained with."
        )
