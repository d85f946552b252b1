"""A trained network as a model with a name: half the bytes, a card, and an option file that says what it is."""

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from segsr_arch.config.imports import imports_from_anywhere
from segsr_arch.errors import ConfigError
from segsr_arch.export.checkpoint import ExportedCheckpoint, inference_options, refuse_exported
from segsr_arch.files.atomic import atomic_write
from segsr_arch.files.text_files import make_folder, write_text
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.inference.form import to_inference_form
from segsr_arch.named_models import SCHEME
from segsr_arch.named_models.card import ModelCard
from segsr_arch.named_models.folders import ENDING
from segsr_arch.weights.digests import file_digest

_LARGEST = torch.finfo(torch.float16).max
_COMMENT = """\
# Written by segsr export: {name}, a network with a name. Where commands know it from: ~/.config/segsr/models, or a
# folder that SEGSR_MODELS names.
#
#   segsr models {name}
#   segsr upscale SRC DST --model {name}
"""


def export_named(
    network: nn.Module, opt: Mapping[str, Any], *, folder: Path, name: str, card: Mapping[str, Any]
) -> ExportedCheckpoint:
    """Write a trained network under a name: ``NAME.safetensors``, in float16, and ``NAME.yml`` with its card.

    A plain network stays as it was trained, and trainings may start with it. A guided one gets its form for inference,
    in float32, with its vision-language model in it, and cannot be trained further. What ``imports:`` names stays where
    it is: whoever uses a network of code of its own needs that code, and runs it.

    Args:
        network: Trained network; it stays as it is.
        opt: Options of a test of this network, as they stand in the file.
        folder: Where both go; it is made.
        name: Name of the model.
        card: Fields of :class:`~segsr_arch.named_models.card.ModelCard`; the digest is added.

    Returns:
        What was written, and the network with the weights as they were rounded.

    Raises:
        ConfigError: If the card is wrong, the network is in its form for inference already, or float16 cannot hold its
            weights.
        SaveError: If a file cannot be written.
    """
    from safetensors.torch import save

    refuse_exported(opt)
    ModelCard.read(card)
    is_guided = isinstance(network, GuidedNetwork)
    written = copy.deepcopy(network)
    if is_guided:
        written = to_inference_form(written, precision="fp32")
    state = {key: _halved(value, key) for key, value in written.state_dict().items()}
    written.load_state_dict(state)
    make_folder(folder)
    weights, options = folder / f"{name}{ENDING}", folder / f"{name}.yml"
    with atomic_write(weights) as file:
        file.write(save(state))
    network_options = copy.deepcopy(dict(opt["network_g"]))
    if is_guided:
        network_options = inference_options(opt, precision="fp32", guided=True)
    adapted = {
        "name": name,
        **imports_from_anywhere(opt),
        **{key: opt[key] for key in ("model_type", "scale", "num_gpu") if key in opt},
        "datasets": {},
        "network_g": network_options,
        "path": {"pretrain_network_g": f"{SCHEME}{name}", "param_key_g": None, "strict_load_g": True},
        "val": {"save_img": True, "suffix": None},
        **({"tile": opt["tile"]} if "tile" in opt else {}),
        "card": ModelCard.read({**card, "sha256": file_digest(weights)}).stated(),
    }
    text = yaml.safe_dump(adapted, sort_keys=False, width=110, allow_unicode=True)
    write_text(options, f"{_COMMENT.format(name=name)}\n{text}")
    return ExportedCheckpoint(weights=weights, options=options, network=written)


def _halved(value: Any, key: str) -> Tensor:
    if not isinstance(value, Tensor):
        raise ConfigError(f"network_g: {key} of its checkpoint is no tensor, which safetensors cannot hold.")
    if not value.is_floating_point():
        return value.contiguous().clone()
    largest = float(value.abs().max()) if value.numel() else 0.0
    if not math.isfinite(largest) or largest > _LARGEST:
        raise ConfigError(
            f"network_g: {key} has a weight of {largest:g}, which float16 cannot hold; use --format checkpoint."
        )
    return value.half().contiguous().clone()
