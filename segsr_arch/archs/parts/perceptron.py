"""Linear layers as HAT begins them, and the perceptron of two of them."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def make_linear(inputs: int, outputs: int, *, bias: bool = True) -> nn.Linear:
    """Make a linear layer that begins as in transformers: truncated normal of deviation 0.02, zero bias."""
    linear = nn.Linear(inputs, outputs, bias=bias)
    nn.init.trunc_normal_(linear.weight, std=0.02)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear


class _LinearOfGelu(torch.autograd.Function):
    """A linear layer of the GELU of its input, which keeps the input alone: the GELU is computed again backward.

    What a GELU gives is as large as what it gets, and no other tensor of HAT or SPT is larger.
    """

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.linear(F.gelu(x), weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        x, weight, bias = inputs
        ctx.save_for_backward(x, weight)
        ctx.bias_type = bias.dtype

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        rows = gradient.flatten(0, -2)
        activated = F.gelu(x).flatten(0, -2)
        weight_gradient = (rows.t() @ activated).to(weight.dtype)
        x_gradient = torch.ops.aten.gelu_backward(gradient @ weight.to(gradient.dtype), x)
        return x_gradient, weight_gradient, rows.sum(0).to(ctx.bias_type)


class Mlp(nn.Module):
    """Two linear layers with an exact GELU between them.

    The GELU and the second layer are read, not called: hooks on them, or wrappers in their place, have no effect.

    Args:
        dim: channels.
        hidden: hidden channels.
    """

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = make_linear(dim, hidden)
        self.act = nn.GELU()
        self.fc2 = make_linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (..., C)."""
        hidden = self.fc1(x)
        if torch.is_grad_enabled() and hidden.requires_grad:
            transformed: Tensor = _LinearOfGelu.apply(hidden, self.fc2.weight, self.fc2.bias)
            return transformed
        return F.linear(F.gelu(hidden), self.fc2.weight, self.fc2.bias)
