"""A loss that keeps the units of a guide from looking at the same."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork


class _Latest:
    """Forward hook that keeps what a module gave last. A plain object, so that copies of a network have their own."""

    def __init__(self) -> None:
        self.output: Tensor | None = None

    def __call__(self, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
        self.output = output


class UnitPenalty:
    """Mean squared cosine between the localization embeddings e_i of two units (SeG-SR eq. 7) in the latest pass.

    Squared, because opposite embeddings give one map and its negative: units are apart where it is zero.

    Args:
        network: The network in training, not wrapped for distribution; it gets a hook.

    Raises:
        ConfigError: If it has no guide in which two units have embeddings of their own.
    """

    def __init__(self, network: nn.Module) -> None:
        localization = network.guide.localization if isinstance(network, GuidedNetwork) else None
        if localization is None or localization.num_units < 2 or localization.local_descriptors is None:
            raise ConfigError(
                "train: unit_penalty: needs a guided network with at least two units and maps of their own (semantics: "
                "modules: sfem+slm+lmm, descriptors with p_i); remove it."
            )
        self._latest = _Latest()
        localization.register_forward_hook(self._latest)

    def __call__(self) -> Tensor:
        """Compute it, from 0 to 1, for the pass that was made last; once for each."""
        embeddings, self._latest.output = self._latest.output, None
        assert embeddings is not None  # a pass of a guided network computes them
        directions = F.normalize(embeddings.float(), dim=-1)
        count = directions.shape[1]
        cosines = directions @ directions.mT
        apart = cosines[:, ~torch.eye(count, dtype=torch.bool, device=cosines.device)]
        return apart.square().mean()
