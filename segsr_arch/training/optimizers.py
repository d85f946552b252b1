"""Optimizers and learning rates of a resumed training: averages from the state, settings from the option file."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.optim import Optimizer

from segsr_arch.errors import CheckpointError

BEGIN_ANEW = (
    "Put back the options that the state was trained with, or begin a new run from its network: another name:, and "
    "path: pretrain_network_g: naming the net_g_<iteration>.pth that was saved with the state."
)

_RATES = ("lr", "initial_lr")  # settings that a scheduler changes
# Settings that choose kernels, and those that versions of torch have added; a state may lack them.
_UNESSENTIAL = {"foreach", "fused", "capturable", "differentiable", "maximize", "decoupled_weight_decay"}
_COUNT_AT_THE_BEGINNING = ("initial_accumulator_value",)


def resume_optimizers(model: Any, state: Mapping[str, Any], *, rates_edited: bool) -> None:
    """Give a model the optimizers and schedulers of a training state, in place.

    What an optimizer has gathered, such as averages of gradients, comes from the state. Its settings are those that
    it was built with. So are learning rates if they were edited: the schedule of the option file is followed from
    iteration 1, warm-up included, to where the state was saved.

    Args:
        model: A model of BasicSR that was just built.
        state: Training state.
        rates_edited: Whether learning rates or their schedule are others than those that the state was trained with.

    Raises:
        CheckpointError: If the state is that of other optimizers.
    """
    saved = state["optimizers"]
    if (len(saved), len(state["schedulers"])) != (len(model.optimizers), len(model.schedulers)):
        raise CheckpointError(
            f"The training state has {len(saved)} optimizers and {len(state['schedulers'])} schedulers, this run has "
            f"{len(model.optimizers)} and {len(model.schedulers)}. {BEGIN_ANEW}"
        )
    if rates_edited:
        _follow_schedule(model, state["iter"])
    else:
        for scheduler, content in zip(model.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(content)
    for optimizer, content in zip(model.optimizers, saved, strict=True):
        load_optimizer(optimizer, content, keep_rates=rates_edited)


def load_optimizer(optimizer: Optimizer, content: Mapping[str, Any], *, keep_rates: bool) -> None:
    """Load what an optimizer has gathered; its settings stay as they are.

    Args:
        optimizer: Built from the option file; changed in place.
        content: Its state dictionary from a training state.
        keep_rates: Whether its learning rates stay as they are, too.

    Raises:
        CheckpointError: If it is the state of another optimizer or of other parameters.
    """
    name, groups = type(optimizer).__name__, []
    for group, saved in zip(optimizer.param_groups, content["param_groups"], strict=False):
        lacking = sorted(group.keys() - saved.keys() - _UNESSENTIAL - {"initial_lr"})
        if lacking:
            raise CheckpointError(
                f"The training state was not saved by {name}: it lacks {', '.join(lacking)}. {BEGIN_ANEW}"
            )
        own = {key: value for key, value in group.items() if key != "params" and (keep_rates or key not in _RATES)}
        groups.append({**saved, **own})
    groups += content["param_groups"][len(groups) :]
    try:
        # Settings go in with the state: kernels that they choose decide where torch puts its counters.
        optimizer.load_state_dict({**content, "param_groups": groups})
    except ValueError as error:
        raise CheckpointError(f"The training state belongs to other parameters: {error}. {BEGIN_ANEW}") from error


def _follow_schedule(model: Any, iteration: int) -> None:
    """Step the schedulers as BasicSR's loop does up to an iteration, without training."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*before.*optimizer.step")
        for passed in range(1, iteration + 1):
            # Past what may be watching this model: nothing is trained here.
            type(model).update_learning_rate(model, passed, warmup_iter=model.opt["train"].get("warmup_iter", -1))


def settings_problem(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Try whether an optimizer with other settings can go on from a state; on a convolution, for one step.

    Args:
        old: ``type`` and arguments that the state was trained with.
        new: Those of the run that resumes it.

    Returns:
        Why it cannot, or ``None``.
    """
    if old["type"] != new["type"]:
        return "what one optimizer has gathered is of no use to another"
    if not hasattr(torch.optim, new["type"]):  # one that the model brings along
        return None
    lost = [key for key in _COUNT_AT_THE_BEGINNING if old.get(key) != new.get(key)]
    if lost:
        return f"{', '.join(lost)} counts only when a training begins"
    try:
        _stepped(new, _stepped(old, None).state_dict())
    except Exception as error:  # whatever an optimizer of torch makes of a state that it does not understand
        return f"its state does not serve these settings ({type(error).__name__}: {error})"
    return None


def _stepped(options: Mapping[str, Any], content: Mapping[str, Any] | None) -> Optimizer:
    torch_class = getattr(torch.optim, options["type"])
    layer = torch.nn.Conv2d(3, 4, 3)
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    arguments = {key: value for key, value in options.items() if key in inspect.signature(torch_class).parameters}
    optimizer: Optimizer = torch_class(layer.parameters(), **arguments)
    if content is not None:
        load_optimizer(optimizer, content, keep_rates=True)
    optimizer.step()
    return optimizer
