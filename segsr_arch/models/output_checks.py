"""What a network gives must be an image."""

import torch
from torch import Tensor

from segsr_arch.errors import DataError


def check_finite(output: Tensor) -> Tensor:
    """Return a network's output if all of it is finite; rounding to 8 bits would make black pixels of NaN.

    Args:
        output: Any shape.

    Raises:
        DataError: If a value is NaN or infinite.
    """
    broken = int((~torch.isfinite(output)).sum())
    if broken:
        raise DataError(f"the network gives NaN or infinity in {broken} of {output.numel()} values")
    return output
