"""A training whose loss or gradient is not finite stops before it spoils the weights, or goes on without learning."""

from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from segsr_arch.errors import DivergenceError

# The smallest normal number of float16: below this scale, losses below 1 lose their digits before they reach a weight.
SMALLEST_SCALE = 2.0**-14


def stop_unless_finite(
    loss: Tensor,
    gradient_norm: Tensor,
    *,
    scaler: torch.amp.GradScaler,
    distributed: bool,
    iteration: int,
    rate: float,
    states: Path,
) -> None:
    """Raise on every rank if the step of any rank must not be taken, or if no step will be taken any more.

    Under loss scaling (fp16) gradients are expected to overflow now and then: such a step is skipped and the scale
    halved, and only the loss counts. If they still overflow where the scale has fallen to :data:`SMALLEST_SCALE`, the
    scale is not the cause.

    Args:
        loss: Of this rank's batch, a scalar.
        gradient_norm: Of all gradients together, unscaled, a scalar.
        scaler: The loss scaler; one that is not enabled scales nothing.
        distributed: Whether there are other ranks; all of them have to call this.
        iteration: For the message.
        rate: Learning rate, for the message.
        states: Folder of training states, for the message.

    Raises:
        DivergenceError: If the loss or the gradient is not finite.
    """
    # Both in one tensor: a GPU is waited for once.
    signs = ~torch.isfinite(torch.stack([loss.float(), gradient_norm.float().to(loss.device)]))
    if distributed:
        signs = signs.float()
        dist.all_reduce(signs, op=dist.ReduceOp.MAX)
    diverged, overflowed = (bool(sign) for sign in signs.tolist())
    if not diverged and not overflowed:
        return
    exhausted = scaler.is_enabled() and scaler.get_scale() <= SMALLEST_SCALE
    if not diverged and scaler.is_enabled() and not exhausted:
        return
    saved = sorted(states.glob("*.state"), key=lambda path: path.stat().st_mtime)
    resume = f"the last saved state is {saved[-1]}" if saved else "no state was saved yet"
    if exhausted and not diverged:
        raise DivergenceError(
            f"amp: fp16 learns nothing: gradients overflow in every step, so each was skipped, and the loss scale has "
            f"fallen to {scaler.get_scale():.1e} at iteration {iteration}; training stops, {resume}. Use train: amp: "
            f"bf16 or float32 (amp: ~), or look for operations of the network that leave the range of float16."
        )
    raise DivergenceError(
        f"The loss is {loss.item()} and the norm of its gradient {gradient_norm.item()} at iteration "
        f"{iteration} (learning rate {rate:.2e}); training stops, {resume}. Lower train: optim_g: lr, set "
        f"train: grad_clip (1.0 is common), use amp: bf16 instead of fp16, or look for NaN in the images."
    )
