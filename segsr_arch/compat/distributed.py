"""Distributed training where there is no GPU."""

import os
import subprocess

import torch
import torch.distributed
import torch.multiprocessing
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DataParallel, DistributedDataParallel

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import ConfigError


def init_dist(launcher, backend="nccl", **kwargs):
    """Join the process group of a launcher; takes the place of ``basicsr.utils.dist_util.init_dist``.

    Args:
        launcher: ``pytorch`` (torchrun) or ``slurm``.
        backend: Backend of ``torch.distributed``; ``nccl`` stands for NCCL on GPUs and gloo on the CPU.
        **kwargs: As in BasicSR: ``port`` for slurm, arguments of ``init_process_group`` for pytorch.

    Raises:
        ConfigError: If the launcher is unknown, did not start this process, or started more of them than GPUs.
    """
    if torch.multiprocessing.get_start_method(allow_none=True) is None:
        torch.multiprocessing.set_start_method("spawn")
    if launcher == "slurm":
        _adopt_slurm(kwargs.pop("port", None))
    elif launcher != "pytorch":
        raise ConfigError(f"--launcher {launcher} is unknown; it is none, pytorch or slurm.")
    missing = [name for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ConfigError(
            f"--launcher {launcher}: {', '.join(missing)} not set. Start it with: torchrun --nproc_per_node N -m "
            "segsr_arch.cli.basicsr train -opt FILE --launcher pytorch"
        )
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    # More processes than GPUs are for a run on the CPU; of another one, the options are refused when they are read.
    on_cpu = int(os.environ.get("LOCAL_WORLD_SIZE", 1)) > gpus
    if gpus and not on_cpu:
        local_rank = int(os.environ.get("LOCAL_RANK", int(os.environ["RANK"]) % gpus))
        if local_rank >= gpus:
            raise ConfigError(f"Process {local_rank} of this machine has no GPU: start at most {gpus} a machine.")
        torch.cuda.set_device(local_rank)
    if backend == "nccl":
        # A run with num_gpu: 0 on a machine with GPUs exchanges tensors of the CPU.
        backend = "gloo" if on_cpu or not torch.distributed.is_nccl_available() else "cpu:gloo,cuda:nccl"
    torch.distributed.init_process_group(backend=backend, **kwargs)


def _adopt_slurm(port):
    """Translate Slurm's environment variables into those of torchrun, in place."""
    names = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
    missing = [name for name in (*names.values(), "SLURM_NODELIST") if name not in os.environ]
    if missing:
        raise ConfigError(f"--launcher slurm: {', '.join(missing)} not set. Start it with srun.")
    os.environ.update({name: os.environ[source] for name, source in names.items()})
    command = ["scontrol", "show", "hostnames", os.environ["SLURM_NODELIST"]]
    hosts = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    os.environ["MASTER_ADDR"] = hosts[0]
    if port is not None:
        os.environ["MASTER_PORT"] = str(port)
    os.environ.setdefault("MASTER_PORT", "29500")


def repair_init_dist():
    """Distributed training on CPU, and each process on the GPU that its launcher meant.

    Cause: ``_init_dist_pytorch`` takes the rank modulo the number of GPUs ("integer modulo by zero" without one)
    and always the backend nccl; with several machines the rank is not the number of the GPU, ``LOCAL_RANK`` is.

    Returns:
        True if it was stock.
    """
    from basicsr.utils import dist_util

    stock = dist_util.init_dist
    if not (is_stock(stock, "get_start_method") and is_stock(dist_util._init_dist_pytorch, "device_count")):
        return False
    substitute(stock, init_dist)
    return True


def model_to_device(self, net):
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


def repair_model_to_device():
    """Wrap networks for distributed training on CPU.

    Cause: ``BaseModel.model_to_device`` gives DistributedDataParallel ``torch.cuda.current_device()`` in any case,
    and lets it exchange buffers in the validation that rank 0 does alone.

    Returns:
        True if it was stock.
    """
    from basicsr.models.base_model import BaseModel

    if not is_stock(BaseModel.model_to_device, "current_device"):
        return False
    BaseModel.model_to_device = model_to_device
    return True
