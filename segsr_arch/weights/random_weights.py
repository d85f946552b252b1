"""Random weights that are the same everywhere, for frozen parts that nobody has trained."""

from collections.abc import Collection

import numpy as np
import torch
from torch import nn


def fill_portably(
    module: nn.Module,
    stream: np.random.PCG64,
    *,
    width: int,
    embeddings: Collection[str],
    only: Collection[str] | None = None,
) -> nn.Module:
    """Fill a module in place with random weights that are the same on every machine.

    torch's own generators may differ in the last bit between processors, and a checkpoint is only accepted beside the
    very weights that it was trained with. So: uniform numbers by exact arithmetic from numpy's raw PCG64 stream, with
    a standard deviation of 1 / sqrt(fan in); biases zero and normalisations one.

    Args:
        module: Module of float32 parameters.
        stream: Source of 64-bit integers.
        width: Width of the tokens of a tower.
        embeddings: Names of the parameters whose standard deviation is 1 / sqrt(width).
        only: Names of the parameters that are filled; ``None`` for all.

    Returns:
        The module, changed.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if only is not None and name not in only:
                continue
            if parameter.ndim < 2 and name not in embeddings:
                parameter.fill_(1.0 if name.endswith("weight") or name.endswith("gamma") else 0.0)
                continue
            count = parameter.numel()
            integers = stream.random_raw(-(-count // 4)).view(np.uint16)[:count]
            fan_in = width if name in embeddings else parameter[0].numel()
            bound = (3.0 / fan_in) ** 0.5
            values = ((integers.astype(np.float64) - 32767.5) / 32768.0 * bound).astype(np.float32)
            parameter.copy_(torch.from_numpy(values).view_as(parameter))
    return module
