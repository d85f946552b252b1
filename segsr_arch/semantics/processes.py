"""What the processes of a distributed training have seen together, so that what they learn from it is the same."""

import torch
import torch.distributed as dist
from torch import Tensor


def _count() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def mean_over_processes(values: Tensor) -> Tensor:
    """Average a tensor over all processes, each of which must call this; in a process by itself it is the tensor."""
    if (count := _count()) == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / count


def gathered_from_processes(values: Tensor) -> Tensor:
    """Put the tensors (B, ...) of all processes, each of which must call this, one after the other: (n B, ...)."""
    if (count := _count()) == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(count)]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)
