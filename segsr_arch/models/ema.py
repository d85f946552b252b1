"""Exponential moving average of what is trained; what is frozen is shared with the original, not copied."""

import copy

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from segsr_arch.capabilities import capabilities_of


def copy_sharing_frozen(network: nn.Module) -> nn.Module:
    """Copy a network; parameters that are not trained are the same objects in the copy.

    Args:
        network: Any network on its device, not wrapped for distribution.

    Returns:
        A copy in evaluation mode that needs no gradients, without what the network declares to be for training only.
    """
    shared = {id(parameter): parameter for parameter in network.parameters() if not parameter.requires_grad}
    average = copy.deepcopy(network, memo=dict(shared))
    for name in capabilities_of(network).training_only:
        setattr(average, name, None)
    for parameter in average.parameters():
        parameter.requires_grad_(False)
    return average.eval()


def decay_at(iteration: int, decay: float, *, warmup: bool) -> float:
    """Give the weight of the old average at an iteration.

    An average of 0.999 is still a quarter the initial network after 1400 iterations. With warm-up it is, at first, one
    over about the last tenth of all iterations.

    Args:
        iteration: Of the training, from 1.
        decay: The weight in the long run.
        warmup: Whether it is at most (1 + iteration) / (10 + iteration), as TensorFlow's ``num_updates`` has it.
    """
    return min(decay, (1 + iteration) / (10 + iteration)) if warmup else decay


class MovingAverage:
    """The moving average of a network in training.

    What belongs together is looked up once: a network of a thousand parameters takes longer to walk through than to
    average. Parameters must stay the objects that they are, as an optimizer demands, too; buffers may be replaced.

    Args:
        network: The network in training, on its device, not wrapped for distribution.

    Attributes:
        network: The average.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = copy_sharing_frozen(network)
        current = dict(network.named_parameters())
        trained = [(mean, current[name]) for name, mean in self.network.named_parameters()]
        self._means = [mean for mean, own in trained if own.requires_grad]
        self._trained = [own for _, own in trained if own.requires_grad]
        self._buffers = []
        for path, _ in self.network.named_buffers():
            owner, _, name = path.rpartition(".")
            self._buffers.append((self.network.get_submodule(owner), network.get_submodule(owner), name))

    @torch.no_grad()
    def update(self, decay: float) -> None:
        """Move the average towards the trained parameters: ``decay * average + (1 - decay) * trained``.

        Buffers are copied; the running statistics of batch normalisation, above all, are averages already.

        Args:
            decay: Weight of the old average; 0 copies.
        """
        if self._means:
            average_all = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            average_all(self._means, self._trained, None)
        for average, network, name in self._buffers:
            getattr(average, name).copy_(getattr(network, name))
