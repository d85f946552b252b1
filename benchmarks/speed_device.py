"""The device that the speed benchmark runs on: its clock, its memory, and what it is."""

import os
import platform
from collections.abc import Callable

import torch


def synchronize(device: str) -> None:
    """Wait until the device has done all that was asked of it; a CPU always has."""
    if device == "cuda":
        torch.cuda.synchronize()


def allocated(device: str) -> int | None:
    """Bytes that tensors hold on a GPU; ``None`` on a CPU, where torch does not count them."""
    return torch.cuda.memory_allocated() if device == "cuda" else None


def peak_memory(work: Callable[[], None], device: str, *, before: int | None) -> float | None:
    """Run once; returns what torch's tensors held at most, in GB, above ``before`` bytes; ``None`` on a CPU.

    Args:
        work: What is run; it has run before, so what stays from one run to the next is held already.
        device: ``cpu`` or ``cuda``.
        before: What :func:`allocated` returned before the network of ``work`` was built.
    """
    if before is None:
        work()
        return None
    synchronize(device)
    torch.cuda.reset_peak_memory_stats()
    work()
    synchronize(device)
    return (torch.cuda.max_memory_allocated() - before) / 1e9


def describe_device(device: str) -> dict:
    """Name and memory of the device, versions, and whether float32 on a GPU is computed as TF32 (torch's settings)."""
    if device == "cuda":
        properties = torch.cuda.get_device_properties(torch.cuda.current_device())
        name, memory = properties.name, properties.total_memory
        tf32 = {
            "matrix products": torch.get_float32_matmul_precision() != "highest",
            "convolutions": torch.backends.cudnn.allow_tf32,
        }
    else:
        name = platform.processor() or platform.machine()
        memory, tf32 = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None
    return {
        "device": device,
        "name": name,
        "memory, GB": memory / 1e9,
        "tf32": tf32,
        "torch": torch.__version__,
        "cuda": torch.version.cuda if device == "cuda" else None,
    }
