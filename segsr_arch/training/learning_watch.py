"""A training that learns nothing says so."""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

logger = logging.getLogger(__name__)

WINDOW = 100  # iterations between two looks
# Losses of a hundred different batches that agree to so much (relative) are one and the same number in float32.
_SAME = 1e-6


class LearningWatch:
    """Looks at a model of BasicSR every hundredth iteration, and warns once of each sign that nothing is learned.

    Between two looks it only keeps losses where they are and reads learning rates, which are plain numbers, so a GPU is
    never waited for. Gradients are measured where the last step of the hundred is taken.

    Args:
        model: A model of BasicSR that was just built: its ``optimizers``, and later its losses in ``step_losses``, as
            tensors, or ``log_dict``.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._said: set[str] = set()
        self._begin_window()
        for optimizer in model.optimizers:
            optimizer.register_step_pre_hook(self._note_step)

    def _begin_window(self) -> None:
        self._losses: list[Tensor | float] = []
        self._iterations, self._steps = 0, 0
        self._highest_rate = 0.0
        self._gradient_norms: list[Tensor] = []

    def _note_step(self, optimizer: Optimizer, *_arguments: Any) -> None:
        """Take in that an optimizer is about to take a step."""
        self._steps += 1
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        self._highest_rate = max([self._highest_rate, *rates])
        if self._iterations == WINDOW - 1:
            trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
            self._gradient_norms.append(nn.utils.get_total_norm(gradients))

    def note(self, iteration: int) -> None:
        """Take in that an iteration is over.

        Args:
            iteration: For the warning.
        """
        losses = getattr(self._model, "step_losses", None) or getattr(self._model, "log_dict", None)
        if losses:
            self._losses.append(sum(losses.values()))
        self._iterations += 1
        if self._iterations < WINDOW:
            return
        for cause in self._causes():
            if cause not in self._said:
                self._said.add(cause)
                logger.warning("Nothing was learned in the last %d iterations, to %d: %s", WINDOW, iteration, cause)
        self._begin_window()

    def _causes(self) -> Iterator[str]:
        if self._steps == 0:
            yield (
                "no step was taken. Under loss scaling (fp16) each of them may have been skipped because gradients "
                "overflow: use bfloat16 or float32."
            )
            return
        found = self._highest_rate == 0
        if found:
            yield (
                "the learning rate was 0 all the time. Look at train: optim_g: lr and train: scheduler (gamma: 0, "
                "eta_min: 0 after the last period, restart_weights)."
            )
        if self._gradient_norms and not any(bool(norm != 0) for norm in self._gradient_norms):
            found = True
            yield (
                "all gradients are zero. Look at loss_weight of the losses in train:, and whether the output depends "
                "on what is trained: parts that are initialised with zero or frozen, outputs that are clipped."
            )
        if not found and self._loss_is_constant():
            yield (
                "the loss is the same number in every one of them, whatever the images are. Look at the learning rate "
                "(too small to change a weight?), the losses in train:, and whether the images differ at all."
            )

    def _loss_is_constant(self) -> bool:
        if len(self._losses) < WINDOW:
            return False
        losses = torch.stack([torch.as_tensor(loss).detach().float().mean() for loss in self._losses])
        return bool(losses.max() - losses.min() <= _SAME * losses.abs().max())
