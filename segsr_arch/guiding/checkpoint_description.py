"""What a checkpoint of a guided network says about itself, compared with the network that is to get it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.errors import CheckpointError
from segsr_arch.semantics import SemanticGuide, SemanticsConfig

TRAINING_FORM = "training"
# Fixed, because BasicSR compares the sizes of equally named entries of two checkpoints.
_BYTES = 1024
# Options of the guide that the first format did not record, so that they had to be known; those that it did not know,
# either, had the paper's values.
_NOT_IN_FIRST_FORMAT = (
    "lora_rank",
    "lora_alpha",
    "lora_targets",
    "num_heads",
    "metanet_reduction",
    "modulation_channels",
)
_CLASS = "class"


def _guide_defaults() -> dict[str, Any]:
    """What is not written into a description, because it goes without saying: the paper's guide."""
    recorded = SemanticsConfig.recorded_names()
    defaults = {item.name: item.default for item in fields(SemanticsConfig) if item.name in recorded}
    return {**defaults, _CLASS: SemanticGuide.__name__}


def describe_network(
    *,
    base: nn.Module,
    upscale: int,
    unit_paths: Sequence[str],
    semantics: SemanticsConfig,
    guide: type[nn.Module] = SemanticGuide,
    form: str = TRAINING_FORM,
) -> dict[str, Any]:
    """Describe what must be equal for a checkpoint to mean the same.

    Args:
        base: The network that is guided.
        upscale: Its scale.
        unit_paths: Modules that end a unit each.
        semantics: Options of its guide.
        guide: Class of its guide.
        form: ``training``, or the form for inference that it has been given.

    Returns:
        ``upscale``, ``base``, ``units`` (number and digest of their paths), ``guide``: its options that are not the
        paper's, and its class if it is not this package's, and ``form``.
    """
    digest = hashlib.sha256("\n".join(unit_paths).encode()).hexdigest()[:8]
    defaults = _guide_defaults()
    values = {name: guide.__name__ if name == _CLASS else getattr(semantics, name) for name in defaults}
    return {
        "upscale": upscale,
        "base": type(base).__name__,
        "units": f"{len(unit_paths)} ({digest})",
        "guide": {name: value for name, value in values.items() if value != defaults[name]},
        "form": form,
    }


def encode_description(description: Mapping[str, Any]) -> Tensor:
    """Write a description (JSON, padded with spaces) into an uint8 tensor (1024,).

    Raises:
        CheckpointError: If it is too long.
    """
    encoded = json.dumps({"format": 2, **description}, ensure_ascii=False).encode().ljust(_BYTES)
    if len(encoded) > _BYTES:
        vlm = description["vlm"]
        raise CheckpointError(
            f"semantics: vlm and pretrained: the names {vlm['name']!r} and {vlm['source']!r} are too long for the "
            f"{_BYTES} bytes in which a checkpoint says what it was trained with. Give the files shorter names."
        )
    return torch.frombuffer(bytearray(encoded), dtype=torch.uint8)


def decode_description(state: Tensor) -> dict[str, Any]:
    """Read the description (JSON in an uint8 tensor) that a guided network puts into its checkpoints.

    Raises:
        CheckpointError: If it is none.
    """
    try:
        description = json.loads(bytes(state.cpu().tolist()))
        known = ["upscale", "base", "units", "vlm"]
        if description["format"] > 1:  # the first format counted the units, and the guide had no options
            known.append("guide")
        return {**{key: description[key] for key in known}, "form": description.get("form", TRAINING_FORM)}
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"The description of the network (_extra_state) cannot be read ({type(error).__name__}: {error}); the "
            f"checkpoint is damaged. Copy it again, or use an older one."
        ) from error


def check_description(state_dict: Mapping[str, Any], own: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """Check that a checkpoint is one of a guided network, and of which.

    Args:
        state_dict: Its weights by name.
        own: What :func:`describe_network` says of the network that is to get them.
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
    if "guide" not in description:
        own = {**own, "units": int(own["units"].split(" ")[0])}
        description["guide"] = {name: value for name, value in own["guide"].items() if name in _NOT_IN_FIRST_FORMAT}
    if description["form"] != own["form"]:
        raise CheckpointError(
            f"The checkpoint is in the form for {description['form']}, but this network is in that for {own['form']}. "
            f"segsr export makes the form for inference of a trained one, with an option file that fits; nothing makes "
            f"the form for training of an exported one."
        )
    theirs, ours = _entries({key: description[key] for key in own}), _entries(own)
    differing = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if strict and differing:
        raise CheckpointError(
            "The checkpoint belongs to another network: "
            + ", ".join(f"{name} {theirs.get(name)} in the file, {ours.get(name)} here" for name in differing)
            + ". Correct network_g, or set path: strict_load_g: false to load what fits."
        )
    return description


def _entries(description: Mapping[str, Any]) -> dict[str, Any]:
    """Put the options of the guide, those with the paper's values included, beside the other entries."""
    guide = {f"semantics: {name}": value for name, value in {**_guide_defaults(), **description["guide"]}.items()}
    return {**{key: value for key, value in description.items() if key != "guide"}, **guide}
