"""Convolutions of several sizes of which one is chosen for each pixel, and computed for that pixel alone."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segsr_arch.archs.hat.geometry import permute_rows
from segsr_arch.archs.mfghmoe.gate import DualGate
from segsr_arch.archs.parts.layouts import to_nchw, to_nhwc


def neighbourhoods(x: Tensor, kernel: int, pixels: Tensor) -> Tensor:
    """Gather what a convolution sees at some pixels; beyond the border it sees zeros.

    Args:
        x: (B, H, W, C).
        kernel: side of the convolution, odd.
        pixels: (n,) int64, numbers of pixels in the batch.

    Returns:
        (n, kernel * kernel * C), in the order in which :func:`rows_of` brings weights.
    """
    height, width, margin = x.shape[1], x.shape[2], kernel // 2
    padded = F.pad(x, (0, 0, margin, margin, margin, margin))
    pitch = width + 2 * margin
    image, row, column = pixels // (height * width), pixels // width % height, pixels % width
    corner = (image * (height + 2 * margin) + row) * pitch + column
    along = torch.arange(kernel, device=x.device)
    places = corner.unsqueeze(1) + (along.unsqueeze(1) * pitch + along).flatten()
    return padded.flatten(0, 2).index_select(0, places.flatten()).view(len(pixels), kernel * kernel * x.shape[3])


def rows_of(convolution: Any) -> Tensor:
    """View the weights of a convolution as a matrix (outputs, kernel * kernel * C)."""
    rows: Tensor = convolution.weight.permute(0, 2, 3, 1).flatten(1)
    return rows


class _LearnedChoice(torch.autograd.Function):
    """What was routed, unchanged, whose gradient tells the probabilities what each expert would have given.

    It is the straight-through estimator: the gradient of the sum of all experts weighted by their probabilities, where
    the choice alone was computed. All experts are computed in the backward pass only, one after the other.
    """

    @staticmethod
    def forward(routed: Tensor, probabilities: Tensor, x: Tensor, *parameters: Tensor) -> Tensor:
        return routed.view_as(routed)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[2:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        pixels = torch.arange(len(gradient), device=x.device)
        shares, seen = [], {}
        for weight, bias in zip(parameters[::2], parameters[1::2], strict=True):
            kernel = weight.shape[2]
            if kernel not in seen:
                seen = {kernel: neighbourhoods(x.to(gradient.dtype), kernel, pixels)}
            rows = weight.permute(0, 2, 3, 1).flatten(1).to(gradient.dtype)
            given = F.linear(seen[kernel], rows, bias.to(gradient.dtype))
            shares.append((given * gradient).sum(1, dtype=torch.promote_types(gradient.dtype, torch.float32)))
        return gradient, torch.stack(shares, 1), None, *[None] * len(parameters)


class ExpertConvolution(nn.Module):
    """Heterogeneous mixture of experts (MFG-HMoE: HMoE): each pixel goes through one convolution of several.

    Args:
        dim: channels C of the input and of the features that the gate reads.
        outputs: channels of the output.
        kernels: sides of the convolutions of each group of experts, odd.
        experts: number of experts of each group.
        learned: whether the gate learns, see :class:`~segsr_arch.archs.mfghmoe.options.MFGHMoEOptions`.
    """

    def __init__(self, *, dim: int, outputs: int, kernels: Sequence[int], experts: int, learned: bool) -> None:
        super().__init__()
        self.learned = learned
        self.in_group = experts
        self.experts = nn.ModuleList(
            nn.Conv2d(dim, outputs, kernel, padding=kernel // 2) for kernel in kernels for _ in range(experts)
        )
        self.experts.to(memory_format=torch.channels_last)  # their rows are views of it
        self.gate = DualGate(dim=dim, groups=len(kernels), experts=experts)

    def forward(self, x: Tensor, levels: Tensor) -> Tensor:
        """Enlarge the channels.

        Args:
            x: (B, H, W, C).
            levels: (B, H, W, C), what the gate reads.

        Returns:
            (B, H, W, outputs).
        """
        choice, probabilities = self.gate(levels.flatten(0, 2))
        if torch.compiler.is_compiling():  # programs must not depend on how many pixels an expert gets
            return self._all(x, choice, probabilities)
        routed = self._chosen(x, choice)
        if self.learned and probabilities.requires_grad:
            parameters = [each.detach() for each in self.experts.parameters()]
            routed = _LearnedChoice.apply(routed, probabilities, x.detach(), *parameters)
        return routed.view(*x.shape[:3], -1)

    def _chosen(self, x: Tensor, choice: Tensor) -> Tensor:
        """Compute the chosen expert of each pixel: (R, outputs)."""
        order = choice.argsort(stable=True)
        inverse = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        counts = torch.bincount(choice, minlength=len(self.experts)).tolist()
        parts, start = [], 0
        for first in range(0, len(self.experts), self.in_group):
            group: Any = self.experts[first : first + self.in_group]
            of_group = counts[first : first + self.in_group]
            pixels = order[start : start + sum(of_group)]
            seen = torch.split(neighbourhoods(x, group[0].kernel_size[0], pixels), of_group)
            parts += [F.linear(rows, rows_of(expert), expert.bias) for rows, expert in zip(seen, group, strict=True)]
            start += len(pixels)
        return permute_rows(torch.cat(parts), inverse, order)

    def _all(self, x: Tensor, choice: Tensor, probabilities: Tensor) -> Tensor:
        """The same by computing all experts everywhere: (B, H, W, outputs)."""
        weights = (choice.unsqueeze(1) == torch.arange(len(self.experts), device=x.device)).to(probabilities.dtype)
        if self.learned:
            weights = weights + probabilities - probabilities.detach()
        weights = weights.to(x.dtype).view(*x.shape[:3], -1)
        image = to_nchw(x)
        mixed = torch.zeros((), dtype=x.dtype, device=x.device)
        for place, expert in enumerate(self.experts):
            mixed = mixed + to_nhwc(expert(image)) * weights[..., place].unsqueeze(3)
        return mixed

    def extra_repr(self) -> str:
        """Say in the printed network whether the gate learns."""
        return f"learned={self.learned}"
