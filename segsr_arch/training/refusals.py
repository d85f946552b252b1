"""Edited options that cannot take effect in a resumed training are refused before anything is built."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.errors import ConfigError, SegsrError
from segsr_arch.training.optimizers import BEGIN_ANEW, settings_problem
from segsr_arch.training.random_state import kept_random_state
from segsr_arch.training.trained_options import Edit, edits, trained_options
from segsr_arch.weights.network_weights import put_weights, read_weights


def refuse_what_cannot_take_effect(opt: Mapping[str, Any], state: Mapping[str, Any], path: Path) -> None:
    """Compare the options of a run with those that a training state was trained with.

    Args:
        opt: Options of the run that resumes the state.
        state: The training state; one without options cannot be compared.
        path: Its file, for the message.

    Raises:
        ConfigError: If an optimizer cannot go on from its state, or a network cannot take its saved weights; by key,
            with old and new value.
    """
    old = state.get("options")
    if old is None:
        return
    new = trained_options(opt)
    refused = _optimizer_refusals(old, new) + _network_refusals(opt, old, new, state["iter"])
    if refused:
        listed = "".join(f"\n  {edit}: {reason}" for edit, reason in refused)
        raise ConfigError(f"{path} cannot be resumed with options that were edited since. {BEGIN_ANEW}{listed}")


def _optimizer_refusals(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[Edit, str]]:
    before, after = old.get("train", {}), new.get("train", {})
    refused = []
    for key in sorted(name for name in before.keys() & after.keys() if name.startswith("optim_")):
        edited = [edit for edit in edits(before[key], after[key], f"train:{key}") if not edit.key.endswith(":lr")]
        types = [edit for edit in edited if edit.key.endswith(":type")]
        problem = settings_problem(before[key], after[key]) if edited else None
        if problem:
            refused += [(edit, problem) for edit in types or edited]
    return refused


def _network_refusals(
    opt: Mapping[str, Any], old: Mapping[str, Any], new: Mapping[str, Any], iteration: int
) -> list[tuple[Edit, str]]:
    ignored = opt["path"].get("ignore_resume_networks") or ()
    refused = []
    for key in sorted(name for name in old.keys() & new.keys() if name.startswith("network_") and name not in ignored):
        edited = edits(old[key], new[key], key)
        if edited:
            file = Path(opt["path"]["models"], f"net_{key.removeprefix('network_')}_{iteration}.pth")
            problem = _weights_problem(opt[key], file)
            refused += [(edit, problem) for edit in edited if problem]
    return refused


def _weights_problem(options: Mapping[str, Any], file: Path) -> str | None:
    """Try whether a network with other options takes its saved weights; returns why it does not."""
    from basicsr.archs import build_network

    try:
        with kept_random_state():
            network = build_network(copy.deepcopy(options))
        put_weights(network, read_weights(file, "params")[0], file, strict=True)
    except SegsrError as error:
        return " ".join(str(error).split())
    return None
