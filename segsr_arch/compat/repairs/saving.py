"""Checkpoints that a kill or a full disk cannot break.

Symptom: half a file under the final name, which ``--auto_resume`` picks; a training without any checkpoint.
Cause: ``BaseModel.save_network`` and ``save_training_state`` write in place; on a full disk they log "Just ignore it"
and train on.
"""

import os
from typing import Any

from segsr_arch.compat.patching import replace_stock
from segsr_arch.weights.writing import atomic_torch_save


def repair() -> bool:
    """Write beside, flush and rename, and stop when that fails."""
    from basicsr.models.base_model import BaseModel
    from basicsr.utils.dist_util import master_only

    repaired = False
    for function in (save_network, save_training_state):
        repaired |= replace_stock(BaseModel, function.__name__, master_only(function), uses=("save", "sleep"))
    return repaired


def save_network(
    self: Any, net: Any, net_label: str, current_iter: int | str, param_key: str | list[str] = "params"
) -> None:
    """Save one or several networks to one file; takes the place of ``BaseModel.save_network``.

    Args:
        self: The model.
        net: Network or list of networks, wrapped in (Distributed)DataParallel or not.
        net_label: First part of the file name, such as ``net_g``.
        current_iter: Second part; -1 gives ``latest``.
        param_key: Entry, or list of entries, for the network(s).

    Raises:
        SaveError: If the file cannot be written; what was there before is intact.
    """
    networks = net if isinstance(net, list) else [net]
    keys = param_key if isinstance(param_key, list) else [param_key]
    if len(networks) != len(keys):
        raise ValueError(f"save_network: {len(networks)} networks, but {len(keys)} names for them: {keys}")
    content = {}
    for key, network in zip(keys, networks, strict=True):
        weights = self.get_bare_model(network).state_dict()
        for entry in list(weights):  # in place: a state_dict carries versions of its modules, too
            weights[entry.removeprefix("module.")] = weights.pop(entry).cpu()
        content[key] = weights
    name = f"{net_label}_{'latest' if current_iter == -1 else current_iter}.pth"
    atomic_torch_save(content, os.path.join(self.opt["path"]["models"], name))


def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    """Save what a resumed training needs besides weights; takes the place of ``BaseModel.save_training_state``.

    Args:
        self: The model.
        epoch: Current epoch.
        current_iter: Current iteration; nothing is saved for -1, the end of training.

    Raises:
        SaveError: If the file cannot be written; what was there before is intact.
    """
    if current_iter == -1:
        return
    state = {
        "epoch": epoch,
        "iter": current_iter,
        "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        "schedulers": [scheduler.state_dict() for scheduler in self.schedulers],
    }
    if hasattr(self, "training_run"):
        state |= self.training_run.state(epoch, current_iter)
    if hasattr(self, "more_training_state"):  # a model's own entries, which its resume_training reads again
        state |= self.more_training_state()
    atomic_torch_save(state, os.path.join(self.opt["path"]["training_states"], f"{current_iter}.state"))
