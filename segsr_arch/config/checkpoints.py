"""Checks of ``path: pretrain_network_*``: the files are read and compared with the networks."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from segsr_arch.compat.repairs.load_network import load_network
from segsr_arch.config.mappings import section_of
from segsr_arch.config.problems import Problems
from segsr_arch.errors import CheckpointError
from segsr_arch.weights.layouts import in_layout_of
from segsr_arch.weights.network_weights import put_weights, read_weights


def unread_keys(opt: Mapping[str, Any], *, is_train: bool, states: Path | None) -> set[str]:
    """Tell which keys of ``path:`` BasicSR replaces by what was saved with a state that training goes on from.

    Args:
        opt: The options.
        is_train: Whether the run trains.
        states: Folder of the states that ``--auto_resume`` looks at; ``None`` without it.

    Returns:
        Names such as ``pretrain_network_g``.
    """
    section = section_of(opt, "path")
    if not is_train:
        return set()
    found = states is not None and any(path.stem.isdigit() for path in states.glob("*.state"))
    if not found and not section.get("resume_state"):
        return set()
    kept = section.get("ignore_resume_networks") or ()
    replaced = {f"pretrain_{key}" for key in opt if str(key).startswith("network_") and key not in kept}
    return replaced | ({"resume_state"} if found else set())


def check_checkpoints(
    problems: Problems,
    opt: Mapping[str, Any],
    model: type | None,
    networks: Mapping[str, nn.Module | None],
    *,
    unread: Collection[str],
) -> None:
    """Read the checkpoints to start from, and compare them with the networks.

    A network class that cannot be built without its weights has a static method
    ``check_checkpoint(options, state, strict)``, which raises a CheckpointError.

    Args:
        problems: Where problems go.
        opt: The options.
        model: The model class; one that loads in its own way is left alone.
        networks: Networks that are right otherwise, by key; those that were built are given the weights.
        unread: Keys of ``path:`` whose files are not read in this run.
    """
    from basicsr.archs import ARCH_REGISTRY

    if getattr(model, "load_network", None) is not load_network:
        return
    section = opt["path"]
    for key, module in networks.items():
        name = f"pretrain_{key}"
        if name in unread or not isinstance(section.get(name), str):
            continue
        label = key.removeprefix("network_")
        file = os.path.expanduser(section[name])
        strict = section.get(f"strict_load_{label}", True)
        check = getattr(ARCH_REGISTRY.get(opt[key]["type"]), "check_checkpoint", None)
        try:
            weights, _ = read_weights(file, section.get(f"param_key_{label}", "params"))
            if check is not None:
                check(opt[key], weights, strict)
            elif strict and module is not None:
                put_weights(module, in_layout_of(module, weights, path=file), file, strict=True, assign=True)
        except CheckpointError as error:
            text = " ".join(str(error).split())  # torch lists differing names a line each
            problems.at("path", name).add(text if text.startswith(file) else f"{file}: {text}")


def random_weights(opt: Mapping[str, Any], networks: Mapping[str, nn.Module | None]) -> list[str]:
    """Warn of networks with parameters that are to be tested without a checkpoint."""
    section = opt["path"]
    return [
        f"{key}: the network has random weights, because path:pretrain_{key} is not given"
        for key, network in networks.items()
        if section.get(f"pretrain_{key}") is None and (network is None or any(True for _ in network.parameters()))
    ]
