"""Sampling over the noise that is left, with fresh noise that lets it forget its errors (Karras et al. 2022).

T. Karras, M. Aittala, T. Aila, S. Laine: Elucidating the Design Space of Diffusion-Based Generative Models, 2022,
algorithm 2. In its units latents are x = z / a, and their noise sigma = s / a, for the signal a and the noise s of a
schedule.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from segsr_arch.diffusion.samplers.noise import noise_of
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule

# A step never gets more than this share of its noise anew: sigma grows by sqrt(2) at most (table 5 of the paper).
_MOST = math.sqrt(2) - 1


@dataclass(frozen=True, kw_only=True)
class Churn:
    """How much fresh noise is added before each step.

    Attributes:
        amount: S_churn, which all steps share; 0 adds none.
        noise: S_noise, standard deviation of the fresh noise.
        above: S_tmin, the least sigma at which some is added.
        below: S_tmax, the largest.
    """

    amount: float = 0.0
    noise: float = 1.0
    above: float = 0.0
    below: float = math.inf

    def raised(self, sigma: float, steps: int) -> float:
        """The sigma that fresh noise brings a step of so many to: at least as large."""
        return sigma * (1 + min(self.amount / steps, _MOST)) if self.above <= sigma <= self.below else sigma


def sample_edm(
    denoiser: Callable[[Tensor, float], Tensor],
    latents: Tensor,
    schedule: NoiseSchedule,
    times: Sequence[int],
    *,
    churn: Churn,
    heun: bool,
    seed: int,
    advance: Callable[[], object] = lambda: None,
) -> Tensor:
    """Sample clean latents.

    The network is told the time at which the schedule has the raised noise, which lies between two of its steps; never
    more noise than at the last one, where its training ended. Fresh noise is of the seed and the step and the same for
    all images of a batch. Without any, and without ``heun``, the steps are those of DDIM.

    With ``heun``, the clean latents go from one estimate to the other in a straight line over log sigma. In the paper
    the slope does so over sigma, which is the same for short steps; the first step of a cosine schedule, from sigma
    20,291, is none (spread .539 instead of .499 where .500 is right).

    Args:
        denoiser: Predicts what the schedule asks for, see :data:`~segsr_arch.diffusion.samplers.sampling.Denoiser`.
        latents: Noised latents z (B, C, h, w), float32, at the first of the times.
        schedule: The schedule that the network was trained on.
        times: Falling time steps.
        churn: How much fresh noise is added.
        heun: Whether each step but the last is corrected by what is seen at its end, a second evaluation.
        seed: Of the fresh noise.
        advance: Called after each step.

    Returns:
        Clean latents (B, C, h, w), float32.
    """

    def estimate(x: Tensor, time: float) -> Tensor:
        z = x * schedule.signal(time).to(x)
        return schedule.clean(denoiser(z, time).float(), z, time)

    sigmas = [schedule.sigma(time) for time in times]
    x = latents / schedule.signal(times[0]).to(latents)
    for place, (sigma, following) in enumerate(zip(sigmas, [*sigmas[1:], 0.0], strict=True)):
        time: float = times[place]
        raised = min(churn.raised(sigma, len(times)), schedule.sigma(schedule.steps - 1))
        if raised > sigma:
            fresh = noise_of(x.shape[1:], seed=seed, keys=("churn", place)).to(x)
            x = x + math.sqrt(raised**2 - sigma**2) * churn.noise * fresh
            sigma, time = raised, schedule.time_of(raised)
        clean = estimate(x, time)
        x = clean + following / sigma * (x - clean)
        if heun and following > 0:
            length = math.log(sigma / following)
            x = x + (1 - (1 - following / sigma) / length) * (estimate(x, times[place + 1]) - clean)
        advance()
    return x
