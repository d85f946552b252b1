"""A training that learns nothing says so."""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

WINDOW = 100  # iterations between two looks
# Losses of a hundred different batches that agree to so much (relative) are one and the same number in float32.
_SAME = 1e-6


class LearningWatch:
    """Looks at a model of BasicSR every hundredth iteration, and warns once of each sign that nothing is learned.

    Between two looks it only keeps losses where they are and reads learning rates, which are plain numbers, so a GPU is
    never waited for.

    Args:
        model: A model of BasicSR: its ``optimizers``, and its losses in ``log_dict`` or ``step_losses``.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._losses: list[Tensor | float] = []
        self._highest_rate = 0.0
        self._iterations = 0
        self._said: set[str] = set()

    def note(self, iteration: int) -> None:
        """Take in a step that was just taken.

        Args:
            iteration: For the warning.
        """
        losses = getattr(self._model, "step_losses", None) or getattr(self._model, "log_dict", None)
        if losses:
            self._losses.append(sum(losses.values()))
        self._highest_rate = max([self._highest_rate, *(float(group["lr"]) for group in self._groups())])
        self._iterations += 1
        if self._iterations < WINDOW:
            return
        for cause in self._causes():
            if cause not in self._said:
                self._said.add(cause)
                logger.warning("Nothing was learned in the last %d iterations, to %d: %s", WINDOW, iteration, cause)
        self._losses, self._highest_rate, self._iterations = [], 0.0, 0

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self._model.optimizers for group in optimizer.param_groups]

    def _causes(self) -> Iterator[str]:
        found = False
        if self._highest_rate == 0:
            found = True
            yield (
                "the learning rate was 0 all the time. Look at train: optim_g: lr and train: scheduler (gamma: 0, "
                "eta_min: 0 after the last period, restart_weights)."
            )
        if self._gradients_are_zero():
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

    def _gradients_are_zero(self) -> bool:
        trained = [parameter for group in self._groups() for parameter in group["params"]]
        gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
        return not gradients or bool(nn.utils.get_total_norm(gradients) == 0)

    def _loss_is_constant(self) -> bool:
        if len(self._losses) < WINDOW:
            return False
        losses = torch.stack([torch.as_tensor(loss).detach().float().mean() for loss in self._losses])
        return bool(losses.max() - losses.min() <= _SAME * losses.abs().max())
