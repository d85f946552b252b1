"""How fast a network trains here, from a few steps: a rough lower estimate of what a training takes."""

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import nn

from segsr_arch.capabilities import size_rule_of
from segsr_arch.errors import ConfigError
from segsr_arch.inference.cost import costing, seconds_of
from segsr_arch.models.train_options import AMP_DTYPES
from segsr_arch.running.logs import errors_only
from segsr_arch.running.memory import is_out_of_memory
from segsr_arch.zoo.named_networks import build_base

STEPS = 4
_SLOW = 5.0  # seconds of a first step, after which no other is taken


def step_and_image_seconds(
    opt: Mapping[str, Any],
    *,
    device: torch.device,
    threads: int | None = None,
    lr_size: tuple[int, int],
    step_done: Callable[[int], None] = lambda count: None,
) -> tuple[float, float]:
    """Train a network for a few steps on random images; nothing is written.

    A step is forward, L1, backward and Adam, at the patch, the batch and the precision of the options. After one step
    that is not timed, the median of three counts; where the first takes over five seconds, it counts itself.

    Args:
        opt: Options of a training.
        device: Where.
        threads: Of torch on the CPU; ``None`` leaves them as they are.
        lr_size: Height and width of a validation image, in LR pixels.
        step_done: Called with a number of steps, :data:`STEPS` in all.

    Returns:
        Seconds of one iteration, and of the forward pass of one validation image.

    Raises:
        ConfigError: If there is not enough memory.
        WeightsError: If weights of the vision-language model cannot be had.
    """
    with _threads(threads), errors_only("segsr_arch.semantics"):
        try:
            return _timed(opt, device, lr_size, step_done)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise ConfigError(
                f"{device} has not enough memory for one step of training; take another device, or leave this network "
                f"out."
            ) from error
        finally:
            if device.type == "cuda":
                torch.cuda.empty_cache()  # trainings are other processes


def _timed(
    opt: Mapping[str, Any], device: torch.device, lr_size: tuple[int, int], step_done: Callable[[int], None]
) -> tuple[float, float]:
    network = build_base(opt["network_g"]).to(device).train()
    with costing(network):
        return _time_steps(network, opt, device, step_done), _time_image(network, lr_size, device)


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if count is not None:
            torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)


def _time_steps(network: nn.Module, opt: Mapping[str, Any], device: torch.device, done: Callable[[int], None]) -> float:
    data, learning = opt["datasets"]["train"], opt["train"]["optim_g"]
    gt = torch.rand(data["batch_size_per_gpu"], 3, data["gt_size"], data["gt_size"], device=device)
    lq = torch.nn.functional.avg_pool2d(gt, opt["scale"])
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=learning["lr"], betas=learning["betas"])

    precision = AMP_DTYPES.get(opt["train"].get("amp"))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=precision, enabled=precision is not None):
            loss: Any = nn.functional.l1_loss(network(lq), gt)
        loss.backward()
        optimizer.step()

    first = seconds_of(step, device)
    if first > _SLOW:
        done(STEPS)
        return first
    done(1)
    seconds = []
    for _ in range(STEPS - 1):
        seconds.append(seconds_of(step, device))
        done(1)
    return statistics.median(seconds)


def _time_image(network: nn.Module, lr_size: tuple[int, int], device: torch.device) -> float:
    rule = size_rule_of(getattr(network, "base", network))
    lq = torch.rand(1, 3, *map(rule.padded, lr_size), device=device)
    network.eval()
    with torch.no_grad():
        return seconds_of(lambda: network(lq), device)
