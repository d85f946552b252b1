"""From noise to clean latents in few steps, by solvers of diffusers and one of our own.

All start at the last time step of the schedule, where the network was trained on nearly pure noise, and space the
others evenly down from there (``trailing``; Lin et al., Common Diffusion Noise Schedules and Sample Steps are Flawed,
2024, table 2).
"""

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from segsr_arch.diffusion.library import diffusers_library
from segsr_arch.diffusion.samplers.edm import Churn, sample_edm
from segsr_arch.diffusion.samplers.noise import noise_of
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option

Denoiser = Callable[[Tensor, float], Tensor]
"""Predicts what a schedule asks for, of latents (B, C, h, w) at a time: a tensor of the same shape."""

_watch: ContextVar[Callable[[], object] | None] = ContextVar("watch", default=None)

# Of how many time steps consistency models are distilled; the steps of a sample are some of them.
_CONSISTENCY_STEPS = 50
_EDM_ALONE = ("churn", "churn_noise", "churn_above", "churn_below", "heun")


@dataclass(frozen=True, kw_only=True)
class SolverOptions(OptionGroup):
    """How latents are sampled that nothing but the LR image guides (key ``sampler:`` of a diffusion network).

    Raises:
        ConfigError: If a value is not known or out of range.
    """

    section = "sampler"

    type: str = option(
        "unipc",
        help="solver: UniPC, DPM-Solver++ (2M), DDIM without noise, EDM, which is DDIM but for churn and heun, or LCM, "
        "which needs a consistency model",
        choices=("unipc", "ddim", "dpm++", "lcm", "edm"),
    )
    steps: int = option(20, help="time steps, each one evaluation of the network, or two with guidance", minimum=1)
    seed: int = option(0, help="of the noise: the same seed gives the same image", minimum=0)
    churn: float = option(
        0.0, help="edm: fresh noise that all steps share, as shares of what noise there is; none by default", minimum=0
    )
    churn_noise: float = option(1.0, help="edm: standard deviation of the fresh noise", above=0)
    churn_above: float = option(0.0, help="edm: least noise over signal at which some is added", minimum=0)
    churn_below: float | None = option(None, help="edm: largest at which some is added; null for any", above=0)
    heun: bool = option(
        False, help="edm: whether steps are corrected by what is seen at their end, which takes another evaluation each"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for item in fields(self):
            if item.name in _EDM_ALONE and self.type != "edm" and getattr(self, item.name) != item.default:
                raise ConfigError(
                    f"sampler: {item.name}: only edm has it, not {self.type}; remove it, or set type: edm."
                )

    def check(self, schedule: NoiseSchedule, *, key: str = "sampler: steps") -> None:
        """Find out whether a schedule has as many steps as are asked for, and the solver can do with so many.

        Args:
            schedule: The schedule that the network was trained on.
            key: Where the steps were asked for, for messages.

        Raises:
            ConfigError: If not.
        """
        if self.steps > schedule.steps:
            raise ConfigError(f"{key}: at most the {schedule.steps} of the schedule, got {self.steps}.")
        if self.type == "lcm" and (self.steps > _CONSISTENCY_STEPS or schedule.steps % _CONSISTENCY_STEPS):
            raise ConfigError(
                f"{key}: lcm takes at most {_CONSISTENCY_STEPS}, of a schedule of a multiple of as many; got "
                f"{self.steps} of {schedule.steps}. Use another type, such as ddim."
            )

    def steps_of(self, strength: float) -> int:
        """How many steps are run of those of a whole sample, see :func:`sample`."""
        return max(1, round(strength * self.steps))


@dataclass(frozen=True, kw_only=True)
class SamplerOptions(SolverOptions):
    """How latents are sampled that words guide, too (key ``sampler:``).

    Raises:
        ConfigError: If a value is not known or out of range.
    """

    guidance: float = option(
        9.0, help="weight of classifier-free guidance: 1 is none, and half the evaluations", minimum=0
    )
    guidance_start: float | None = option(
        None,
        help="weight where noise over signal is largest, from where it goes to guidance as that falls to none; null "
        "keeps it",
        minimum=0,
    )

    def guidance_at(self, t: float, schedule: NoiseSchedule) -> float:
        """Weight of guidance at a time: linear in noise over signal, of which a schedule has most at its last step."""
        if self.guidance_start is None:
            return self.guidance
        share = schedule.sigma(t) / schedule.sigma(schedule.steps - 1)
        return self.guidance + (self.guidance_start - self.guidance) * share


@contextlib.contextmanager
def steps_watched(watch: Callable[[], object]) -> Iterator[None]:
    """Hear of each step of what is sampled in the block: between a caller and the sampler stands a whole network.

    Args:
        watch: Called after each step; what it raises ends the sample.
    """
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def sample(
    denoiser: Denoiser,
    noise: Tensor,
    schedule: NoiseSchedule,
    options: SolverOptions,
    *,
    expected: Tensor | None = None,
    strength: float = 1.0,
    advance: Callable[[], object] = lambda: None,
) -> Tensor:
    """Sample clean latents.

    Each image is computed apart from the others of the batch. ``lcm`` adds fresh noise at each step, ``edm`` may; it
    comes of the seed and the step and is the same for all images of a batch, so that no image depends on the others.

    Args:
        denoiser: The network, with guidance and all that it is conditioned on.
        noise: Standard normal noise (B, C, h, w), float32.
        schedule: The schedule that the network was trained on.
        options: Solver, number of steps, and seed; guidance is the denoiser's own.
        expected: What clean latents are about, (B, C, h, w). At its last step a schedule may still hold some of the
            image (Stable Diffusion's .068), and a network that was trained there takes noise alone for an image of zero
            mean: sampling then starts with as much of this. ``None`` starts from noise alone, which is right where
            clean latents are of zero mean.
        strength: How much of the steps is run, above 0: the first ones are left out, and sampling starts with what is
            expected, noised as far as the first that is run.
        advance: Called after each step.

    Returns:
        Clean latents (B, C, h, w), float32.

    Raises:
        ConfigError: If the schedule has fewer steps than are asked for, or the solver cannot do with so many.
    """
    watch = _watch.get()

    def stepped() -> None:
        advance()
        if watch is not None:
            watch()

    solver = _solver(schedule, options)
    times = [int(t) for t in solver.timesteps]
    left_out = options.steps - options.steps_of(strength)
    times = times[left_out:]
    latents = clean = noise
    if expected is not None or left_out:
        latents = clean = schedule.noised(torch.zeros_like(noise) if expected is None else expected, noise, times[0])
    if hasattr(solver, "set_begin_index"):
        solver.set_begin_index(left_out)
    if options.type in ("ddim", "edm"):
        churn = Churn(
            amount=options.churn,
            noise=options.churn_noise,
            above=options.churn_above,
            below=math.inf if options.churn_below is None else options.churn_below,
        )
        heun, seed = options.heun, options.seed
        return sample_edm(denoiser, latents, schedule, times, churn=churn, heun=heun, seed=seed, advance=stepped)
    for place, t in enumerate(times):
        prediction = denoiser(latents, t).float()
        if options.type == "lcm":
            clean = solver.step(prediction, t, latents, generator=torch.Generator()).denoised
            if place + 1 < len(times):
                fresh = noise_of(noise.shape[1:], seed=options.seed, keys=("lcm", place)).to(noise)
                latents = schedule.noised(clean, fresh, times[place + 1])
        else:
            latents = clean = solver.step(prediction, t, latents).prev_sample
        stepped()
    return clean


def _solver(schedule: NoiseSchedule, options: SolverOptions) -> Any:
    """The solver of diffusers with its steps set; of that for DDIM and EDM, the time steps count.

    Where the steps do not divide those of the schedule, diffusers' DDIM goes from one by their mean distance and not to
    the next: in 60 of 1,000 it ended at time 0, where noise is left.
    """
    library, config = diffusers_library(), asdict(schedule.options)
    options.check(schedule)
    if options.type == "lcm":
        solver = library.LCMScheduler(**config, clip_sample=False, timestep_spacing="trailing")
        solver.set_timesteps(options.steps, original_inference_steps=_CONSISTENCY_STEPS)
        return solver
    if options.type in ("ddim", "edm"):
        solver = library.DDIMScheduler(**config, clip_sample=False, timestep_spacing="trailing")
    else:
        solvers = {"unipc": library.UniPCMultistepScheduler, "dpm++": library.DPMSolverMultistepScheduler}
        solver = solvers[options.type](**config, timestep_spacing="trailing")
    solver.set_timesteps(options.steps)
    if len(solver.timesteps) > options.steps:
        # diffusers adds up its spacing, and what is left of 61 times 1000 / 61 by rounding makes one more step, at -1
        solver.timesteps = solver.timesteps[: options.steps]
        if hasattr(solver, "sigmas"):
            solver.sigmas = torch.cat([solver.sigmas[: options.steps], solver.sigmas[-1:]])
    return solver
