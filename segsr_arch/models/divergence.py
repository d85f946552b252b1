"""A training whose loss or gradient is not finite stops before it spoils the weights."""

from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from segsr_arch.errors import DivergenceError


def stop_unless_finite(
    loss: Tensor, gradient_norm: Tensor, *, scaled: bool, distributed: bool, iteration: int, rate: float, states: Path
) -> None:
    """Raise on every rank if the step of any rank must not be taken.

    Args:
        loss: Of this rank's batch, a scalar.
        gradient_norm: Of all gradients together, a scalar.
        scaled: Whether the loss is scaled (fp16): gradients are expected to overflow now and then, such steps are
            skipped, and only the loss counts.
        distributed: Whether there are other ranks; all of them have to call this.
        iteration: For the message.
        rate: Learning rate, for the message.
        states: Folder of training states, for the message.

    Raises:
        DivergenceError: If the loss or the gradient is not finite.
    """
    finite = torch.isfinite(loss)
    if not scaled:
        finite &= torch.isfinite(gradient_norm)
    diverged = (~finite).float()
    if distributed:
        dist.all_reduce(diverged, op=dist.ReduceOp.MAX)
    if not diverged:
        return
    saved = sorted(states.glob("*.state"), key=lambda path: path.stat().st_mtime)
    resume = f"the last saved state is {saved[-1]}" if saved else "no state was saved yet"
    raise DivergenceError(
        f"The loss is {loss.item()} and the norm of its gradient {gradient_norm.item()} at iteration "
        f"{iteration} (learning rate {rate:.2e}); training stops, {resume}. Lower train: optim_g: lr, set "
        f"train: grad_clip (1.0 is common), use amp: bf16 instead of fp16, or look for NaN in the images."
    )
