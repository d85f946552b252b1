"""Networks are wrapped for distributed training on the CPU, and validate on one process alone.

Symptom: "Found no NVIDIA driver" under torchrun without a GPU; a validation that waits for the other processes.
Cause: ``BaseModel.model_to_device`` gives DistributedDataParallel ``torch.cuda.current_device()`` in any case, and lets
it exchange buffers in the validation that rank 0 does alone.
"""

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DataParallel, DistributedDataParallel

from segsr_arch.compat.patching import replace_stock


def repair() -> bool:
    """Name a device only where it is a GPU, and exchange buffers only where they change in training."""
    from basicsr.models.base_model import BaseModel

    return replace_stock(BaseModel, "model_to_device", model_to_device, uses=("current_device",))


def model_to_device(self: Any, net: nn.Module) -> nn.Module:
    """Move a network to the model's device and wrap it; takes the place of ``BaseModel.model_to_device``.

    Args:
        self: The model.
        net: Network; moved in place.

    Returns:
        The network, in DistributedDataParallel under a launcher, in DataParallel with several GPUs otherwise.
    """
    net = net.to(self.device)
    if self.opt["dist"]:
        devices = [torch.cuda.current_device()] if self.device.type == "cuda" else None
        unused = self.opt.get("find_unused_parameters", False)
        # Buffers are exchanged at every forward pass, even in evaluation. Rank 0 validates alone and would wait for
        # the others; networks whose buffers change in training (batch normalisation) still need the exchange.
        changing = any(isinstance(module, _BatchNorm) for module in net.modules())
        return DistributedDataParallel(
            net, device_ids=devices, find_unused_parameters=unused, broadcast_buffers=changing
        )
    if self.opt["num_gpu"] > 1:
        return DataParallel(net)
    return net
