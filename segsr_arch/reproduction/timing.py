"""How long runs will take, from a few steps of each network: a rough lower estimate."""

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from segsr_arch.capabilities import size_rule_of
from segsr_arch.errors import ConfigError
from segsr_arch.inference.cost import costing, seconds_of
from segsr_arch.reproduction.execution import Slot
from segsr_arch.reproduction.plan import Run
from segsr_arch.running.logs import errors_only
from segsr_arch.running.memory import is_out_of_memory
from segsr_arch.zoo.named_networks import build_base

STEPS = 4
_COST_PASSES = 7  # with which segsr evaluate counts and times a network
_SLOW = 5.0  # seconds of a first step, after which no other is taken


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a network is.

    Attributes:
        step: Seconds of one iteration of training.
        image: Seconds of the forward pass of one validation image.
    """

    step: float
    image: float

    def seconds(self, run: Run, *, done: int, validation_images: int, final_images: int) -> float:
        """Estimate how long the rest of a run takes.

        Args:
            run: The run.
            done: Iterations that it has behind it.
            validation_images: Images of each validation.
            final_images: Images of the measurement.
        """
        every = run.train["val"]["val_freq"]
        validations = run.iterations // every - done // every + (1 if done < run.iterations else 0)
        passes = validations * validation_images + final_images + _COST_PASSES
        return (run.iterations - done) * self.step + passes * self.image


def total_seconds(seconds: Sequence[float], slots: int) -> float:
    """Estimate how long runs take together, so many at a time: at least as long as the longest."""
    return max(sum(seconds) / slots, max(seconds, default=0.0))


def remaining_seconds(
    runs: Sequence[Run], *, finished: Mapping[str, float], reached: Mapping[str, int], slots: int
) -> float | None:
    """Estimate how long the rest takes, from the runs that are finished.

    Args:
        runs: All runs.
        finished: Seconds by the names of finished runs.
        reached: Iterations that the others have behind them, by name.
        slots: How many at a time.

    Returns:
        Seconds; ``None`` if no run is finished. A network that has finished with another seed takes as long as there,
        any other one as long an iteration as the mean of all.
    """
    known: dict[str, list[float]] = {}
    for run in runs:
        if run.name in finished:
            known.setdefault(run.network, []).append(finished[run.name] / run.iterations)
    if not known:
        return None
    everyone = statistics.fmean(pace for paces in known.values() for pace in paces)
    left = [
        (run.iterations - reached.get(run.name, 0)) * statistics.fmean(known.get(run.network, [everyone]))
        for run in runs
        if run.name not in finished
    ]
    return total_seconds(left, slots)


def measure_pace(
    run: Run, *, slot: Slot, lr_size: tuple[int, int], step_done: Callable[[int], None] = lambda count: None
) -> Pace:
    """Train a run's network for a few steps on random images, where a slot would; nothing is written.

    A step is forward, L1, backward and Adam, at the patch and the batch of the options. After one step that is not
    timed, the median of three counts; where the first takes over five seconds, it counts itself.

    Args:
        run: The run.
        slot: Device and threads.
        lr_size: Height and width of a validation image, in LR pixels.
        step_done: Called with a number of steps, :data:`STEPS` in all.

    Returns:
        The pace.

    Raises:
        ConfigError: If there is not enough memory.
        WeightsError: If weights of the vision-language model cannot be had.
    """
    device = torch.device("cpu" if slot.device == "cpu" else f"cuda:{slot.device}")
    with _threads(slot.threads), errors_only("segsr_arch.semantics"):
        try:
            network = build_base(run.train["network_g"]).to(device).train()
            with costing(network):
                step = _time_steps(network, run.train, device, step_done)
                image = _time_image(network, lr_size, device)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise ConfigError(
                f"{run.name}: {device} has not enough memory for one step of training; take another device, or leave "
                f"this network out."
            ) from error
    return Pace(step=step, image=image)


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

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.l1_loss(network(lq), gt).backward()
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
