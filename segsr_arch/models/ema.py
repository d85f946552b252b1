"""Exponential moving average of what is trained; what is frozen is shared with the original, not copied."""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def copy_sharing_frozen(network: nn.Module) -> nn.Module:
    """Copy a network; parameters that are not trained are the same objects in the copy.

    Args:
        network: Any network on its device, not wrapped for distribution.

    Returns:
        A copy in evaluation mode that needs no gradients.
    """
    shared = {id(parameter): parameter for parameter in network.parameters() if not parameter.requires_grad}
    average = copy.deepcopy(network, memo=dict(shared))
    for parameter in average.parameters():
        parameter.requires_grad_(False)
    return average.eval()


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, decay: float) -> nn.Module:
    """Move the trained parameters of ``average`` towards those of ``network``, in place; buffers are copied.

    Buffers, the running statistics of batch normalisation above all, are averages already.

    Args:
        average: Made by :func:`copy_sharing_frozen` from ``network``.
        network: The network in training.
        decay: Weight of the old average; 0 copies.

    Returns:
        The average.
    """
    trained = [
        (mean, current)
        for mean, current in zip(average.parameters(), network.parameters(), strict=True)
        if current.requires_grad
    ]
    get_ema_multi_avg_fn(decay)([mean for mean, _ in trained], [current for _, current in trained], None)
    for copied, current in zip(average.buffers(), network.buffers(), strict=True):
        copied.copy_(current)
    return average
