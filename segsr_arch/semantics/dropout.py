"""Dropout with cheap random numbers."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 2**16  # of a random number of 16 bits, four of which come out of one draw


class _KeepAndScale(torch.autograd.Function):
    """Values where ``keep`` says so, times a factor; of the mask, one byte a value is kept for the backward pass."""

    @staticmethod
    def forward(values: Tensor, keep: Tensor, factor: float) -> Tensor:
        return (values * keep).mul_(factor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: Tensor) -> None:
        _, keep, ctx.factor = inputs
        ctx.save_for_backward(keep)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return (gradient * ctx.saved_tensors[0]).mul_(ctx.factor), None, None


class Dropout(nn.Module):
    """Dropout, as ``nn.Dropout``, whose mask costs a seventh on the CPU.

    torch draws a random number of its own for each value there, one after the other. This draws 16 bits a value from
    torch's default generator, and so keeps to the seed; the probability is rounded to 1/65536, and what stays is
    scaled by the rounded one.

    Args:
        p: probability of zeroing, in [0, 1).

    Raises:
        ValueError: If the probability is outside of that.
    """

    def __init__(self, *, p: float) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p: the probability of zeroing must be in [0, 1), got {p!r}.")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """In training zero some values of a tensor (...), and divide the others by the probability of staying."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        dropped = min(round(self.p * _LEVELS), _LEVELS - 1)
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        levels = draws.view(torch.int16)[: x.numel()].view(x.shape)
        kept: Tensor = _KeepAndScale.apply(x, levels >= dropped - _LEVELS // 2, _LEVELS / (_LEVELS - dropped))
        return kept

    def extra_repr(self) -> str:
        """Show the probability in the printed network."""
        return f"p={self.p:g}"
