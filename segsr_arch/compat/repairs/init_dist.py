"""Distributed training on CPU, and each process on the GPU that its launcher meant.

Symptom: "integer modulo by zero" under torchrun without a GPU; with several machines, processes on the wrong GPU.
Cause: ``_init_dist_pytorch`` takes the rank modulo the number of GPUs, and always the backend nccl; with several
machines the rank is not the number of the GPU, ``LOCAL_RANK`` is.
"""

import os
import subprocess
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing

from segsr_arch.compat.patching import is_stock, replace_stock
from segsr_arch.errors import ConfigError


def repair() -> bool:
    """Put a function in its place that asks the launcher and takes gloo on the CPU."""
    from basicsr.utils import dist_util

    broken = is_stock(dist_util._init_dist_pytorch, "device_count")
    return broken and replace_stock(dist_util, "init_dist", init_dist, uses=("get_start_method",))


def init_dist(launcher: str, backend: str = "nccl", **kwargs: Any) -> None:
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


def _adopt_slurm(port: int | None) -> None:
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
