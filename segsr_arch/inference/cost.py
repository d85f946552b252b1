"""What one pass of a network costs: parameters, multiply-accumulates, time, memory."""

import contextlib
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from segsr_arch.capabilities import size_rule_of
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.inference.pass_memory import pass_memory
from segsr_arch.results.record import Cost

LR_SIZE = (64, 64)
_REPEATS = 5


def count_macs(network: nn.Module, lr_size: tuple[int, int] = LR_SIZE) -> int:
    """Count the multiply-accumulates of matrix products, convolutions and attention of one LR image.

    Args:
        network: Maps (1, 3, H, W) to (1, 3, sH, sW).
        lr_size: H and W in pixels of the image, which is padded to what the network takes.

    Returns:
        Half of the floating-point operations that torch's ``FlopCounterMode`` counts, as they are
        computed here (HAT pads heads of width 30 to 32); elementwise work is not in it.
    """
    # torch's counter knows the cost of attention made of matrix products on every device.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        _run(network, _input(network, lr_size))
    return int(counter.get_total_flops()) // 2


def measure_cost(network: nn.Module, *, lr_size: tuple[int, int] = LR_SIZE, repeats: int = _REPEATS) -> Cost:
    """Count and time one LR image; the network's mode is afterwards what it was before.

    Args:
        network: Maps (1, 3, H, W) to (1, 3, sH, sW); timed where it is, in evaluation mode.
        lr_size: H and W in pixels of the image, which is padded to what the network takes.
        repeats: Number of timed passes after one that is not timed; the median counts.

    Returns:
        The cost.
    """
    parameters = list(network.parameters())
    was_training = network.training
    network.eval()
    try:
        macs = count_macs(network, lr_size)
        image = _input(network, lr_size)
        # Copies: some networks change what they get.
        _, *seconds = [seconds_of(partial(_run, network, image.clone()), image.device) for _ in range(repeats + 1)]
        memory = pass_memory(network, partial(_run, network), image)
    finally:
        network.train(was_training)
    return Cost(
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        macs=macs,
        seconds=statistics.median(seconds),
        memory=memory,
        lr_size=lr_size,
        device=_describe(image.device),
    )


def _input(network: nn.Module, lr_size: tuple[int, int]) -> torch.Tensor:
    first = next(network.parameters(), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    size = map(size_rule_of(network).padded, lr_size)
    return torch.rand(1, 3, *size, generator=generator).to(first.device, first.dtype)


def costing(network: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Context in which a network runs on images that only what a pass costs is asked of."""
    return network.guide.standing_in() if isinstance(network, GuidedNetwork) else contextlib.nullcontext()


def _run(network: nn.Module, image: torch.Tensor) -> None:
    with torch.no_grad(), costing(network):
        network(image)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """How long work takes, until the device is through with it."""
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
