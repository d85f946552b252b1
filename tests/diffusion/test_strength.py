"""A sample that starts with an image, of which only the last steps are run."""

import pytest
import torch

from segsr_arch.diffusion.samplers.noise import noise_of
from segsr_arch.diffusion.samplers.sampling import SamplerOptions, sample
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from tests.diffusion.test_sampling import MEAN, SPREAD, TYPES, exact_denoiser

STEPS = 20


def sampled(kind, strength, expected):
    schedule = NoiseSchedule.of()
    denoiser, times = exact_denoiser(schedule, consistency=kind == "lcm")
    starts = []

    def seeing(latents, t):
        starts.append(latents)
        return denoiser(latents, t)

    noise = noise_of((4, 32, 32), seed=0, keys=())[None]
    clean = sample(
        seeing, noise, schedule, SamplerOptions(type=kind, steps=STEPS), expected=expected, strength=strength
    )
    return clean, times, starts[0], schedule, noise


@pytest.mark.parametrize("kind", TYPES)
def test_only_the_last_steps_are_run_from_the_image_noised_as_far_as_their_first(kind):
    about = noise_of((4, 32, 32), seed=1, keys=())[None] * SPREAD + MEAN
    _, whole, *_ = sampled(kind, 1.0, about)
    clean, times, start, schedule, noise = sampled(kind, 0.25, about)
    assert times == whole[-5:]
    torch.testing.assert_close(start, schedule.noised(about, noise, times[0]))
    assert clean.mean().item() == pytest.approx(MEAN, abs=0.02)
    kept = torch.corrcoef(torch.stack([clean.flatten(), about.flatten()]))[0, 1]
    lost = torch.corrcoef(torch.stack([sampled(kind, 1.0, about)[0].flatten(), about.flatten()]))[0, 1]
    assert kept > (0.15 if kind == "lcm" else 0.5) > 0.05 > abs(lost)  # lcm draws fresh noise at each step


def test_what_is_diffused_around_zero_starts_with_that():
    _, times, start, schedule, noise = sampled("ddim", 0.01, None)
    assert len(times) == 1, "never none"
    torch.testing.assert_close(start, schedule.noise(times[0]) * noise)
