"""A trained network in its form for inference: the checkpoint, and the option file that tests it."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.compat import registration
from segsr_arch.errors import ConfigError
from segsr_arch.export.inference_arch import InferenceForm
from segsr_arch.files.text_files import make_folder, write_text
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.inference.form import to_inference_form
from segsr_arch.semantics.vision_tower import resolve_configuration
from segsr_arch.weights.writing import atomic_torch_save

_COMMENT = """\
# Written by segsr export: {name} in the form for inference ({precision}).
#
#   basicsr test -opt {path}
#   segsr evaluate -opt {path}
"""


@dataclass(frozen=True, kw_only=True)
class ExportedCheckpoint:
    """What was written.

    Attributes:
        weights: The checkpoint, entry ``params``.
        options: Option file of a test with it.
        network: The network that is in it.
    """

    weights: Path
    options: Path
    network: nn.Module


def is_exported(opt: Mapping[str, Any]) -> bool:
    """Whether options are those of a network in the form for inference."""
    return registration.find(ARCH_REGISTRY, opt["network_g"].get("type")) is InferenceForm


def refuse_exported(opt: Mapping[str, Any]) -> None:
    """Refuse the options of a network that has been exported before.

    Raises:
        ConfigError: If it is in the form for inference already.
    """
    if is_exported(opt):
        raise ConfigError("network_g: this network is in the form for inference already; export the trained one.")


def export_checkpoint(network: nn.Module, opt: Mapping[str, Any], *, stem: Path, precision: str) -> ExportedCheckpoint:
    """Write a trained network in its form for inference, and an option file with which ``basicsr test`` takes it.

    Args:
        network: Trained network; it stays as it is.
        opt: Options of a test of this network, as they stand in the file.
        stem: Path of what is written, without ending; the folder is made.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Returns:
        What was written, ``STEM.pth`` and ``STEM.yml``.

    Raises:
        ConfigError: If the network cannot be run in this precision, or is in the form for inference already.
        SaveError: If a file cannot be written.
    """
    refuse_exported(opt)
    converted = to_inference_form(copy.deepcopy(network), precision=precision)
    make_folder(stem.parent)
    weights, options = stem.with_name(f"{stem.name}.pth"), stem.with_name(f"{stem.name}.yml")
    atomic_torch_save({"params": converted.state_dict()}, weights)
    adapted = _options(opt, weights, stem.name, precision, guided=isinstance(network, GuidedNetwork))
    comment = _COMMENT.format(name=opt["name"], precision=precision, path=options)
    write_text(options, f"{comment}\n{yaml.safe_dump(adapted, sort_keys=False, default_flow_style=None, width=120)}")
    return ExportedCheckpoint(weights=weights, options=options, network=converted)


def _options(opt: Mapping[str, Any], weights: Path, name: str, precision: str, *, guided: bool) -> dict[str, Any]:
    path = {**opt.get("path", {}), "pretrain_network_g": str(weights), "param_key_g": "params", "strict_load_g": True}
    return {**opt, "name": name, "network_g": inference_options(opt, precision=precision, guided=guided), "path": path}


def inference_options(opt: Mapping[str, Any], *, precision: str, guided: bool) -> dict[str, Any]:
    """Make ``network_g`` of the form for inference, whose file holds the vision-language model, too.

    Args:
        opt: Options of a test of the trained network.
        precision: In which it computes.
        guided: Whether it has a guide.
    """
    network = copy.deepcopy(dict(opt["network_g"]))
    network.pop("pretrain_base", None)
    if guided:
        semantics = dict(network.get("semantics") or {})
        semantics["pretrained"] = None
        if isinstance(semantics.get("vlm"), str):
            _, built_in, content = resolve_configuration(semantics["vlm"])
            semantics["vlm"] = semantics["vlm"] if built_in is not None else dict(content)
        network["semantics"] = semantics
    return {"type": "InferenceForm", "precision": precision, "network": network}
