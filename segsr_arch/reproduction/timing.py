"""How long runs will take, from a few steps of each network: a rough lower estimate."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.execution import Slot
from segsr_arch.reproduction.plan import Run
from segsr_arch.training.pace import STEPS, step_and_image_seconds

__all__ = ["STEPS", "Pace", "measure_pace", "remaining_seconds", "total_seconds"]
_COST_PASSES = 7  # with which segsr evaluate counts and times a network


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

    See :func:`~segsr_arch.training.pace.step_and_image_seconds`.

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
    try:
        step, image = step_and_image_seconds(
            run.train, device=device, threads=slot.threads, lr_size=lr_size, step_done=step_done
        )
    except ConfigError as error:
        raise ConfigError(f"{run.name}: {error}") from error
    return Pace(step=step, image=image)
