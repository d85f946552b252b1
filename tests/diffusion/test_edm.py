"""Sampling with fresh noise; what all solvers have in common is in test_sampling.py."""

import itertools
import math
from dataclasses import asdict

import pytest
import torch
from diffusers import DDIMScheduler

from segsr_arch.diffusion.samplers.noise import noise_of
from segsr_arch.diffusion.samplers.sampling import SamplerOptions, sample
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.errors import ConfigError
from tests.diffusion.test_sampling import MEAN, SCHEDULES, SPREAD, exact_denoiser

NOISE = noise_of((4, 64, 64), seed=0, keys=())[None]


def run(schedule, *, steps=50, **options):
    """Latents sampled by an exact denoiser, and what it was asked: times, with the latents' standard deviations."""
    denoiser, _ = exact_denoiser(schedule)
    asked = []

    def watched(latents, t):
        asked.append((t, latents.std().item()))
        return denoiser(latents, t)

    # The .068 of the image that Stable Diffusion's schedule leaves at its end are given, so that errors are the steps'.
    expected = noise_of((4, 64, 64), seed=1, keys=())[None] * SPREAD + MEAN
    return sample(
        watched, NOISE, schedule, SamplerOptions(type="edm", steps=steps, **options), expected=expected
    ), asked


@pytest.mark.parametrize(("heun", "churn"), [(False, 0.0), (True, 0.0), (True, 5.0), (True, 10.0)])
@pytest.mark.parametrize("prediction", SCHEDULES)
def test_samples_of_an_exact_denoiser_have_its_mean_and_spread(prediction, heun, churn):
    clean, asked = run(NoiseSchedule.of(SCHEDULES[prediction]), churn=churn, heun=heun)
    assert clean.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert clean.std().item() == pytest.approx(SPREAD, abs=0.02)
    assert len(asked) == (99 if heun else 50)


@pytest.mark.parametrize("prediction", SCHEDULES)
def test_steps_of_first_order_lose_more_spread_with_churn_as_they_are_longer(prediction):
    clean, _ = run(NoiseSchedule.of(SCHEDULES[prediction]), churn=5.0, churn_noise=1.003)
    assert clean.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert clean.std().item() == pytest.approx(0.470, abs=0.005)


def test_without_churn_the_steps_are_those_of_ddim():
    schedule = NoiseSchedule.of()
    plain, asked = run(schedule, steps=20)
    latents = schedule.noised(noise_of((4, 64, 64), seed=1, keys=())[None] * SPREAD + MEAN, NOISE, 999)
    solver = DDIMScheduler(**asdict(schedule.options), clip_sample=False, timestep_spacing="trailing")
    solver.set_timesteps(20)
    denoiser, times = exact_denoiser(schedule)
    for t in solver.timesteps:
        latents = solver.step(denoiser(latents, int(t)), t, latents).prev_sample
    assert [t for t, _ in asked] == times
    torch.testing.assert_close(plain, latents, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["ddim", "edm"])
@pytest.mark.parametrize("steps", [1, 7, 18, 60])
def test_each_step_leads_to_the_next_and_the_last_one_to_no_noise_though_they_do_not_divide_the_schedule(steps, kind):
    """Where the exact estimate is a straight line of the latents, their spread after each step can be written down."""
    schedule = NoiseSchedule.of()
    denoiser, times = exact_denoiser(schedule)
    clean = sample(denoiser, NOISE, schedule, SamplerOptions(type=kind, steps=steps))
    sigmas = [*map(schedule.sigma, times), 0.0]
    kept = [(SPREAD**2 + before * after) / (SPREAD**2 + before**2) for before, after in itertools.pairwise(sigmas)]
    first = NOISE.std().item() / schedule.signal(999).item()
    assert clean.std().item() == pytest.approx(math.prod(kept) * first, rel=1e-4)
    assert len(times) == steps and times[0] == 999


def noise_met(schedule, **options):
    """Times that a network is asked at, and standard deviations of what it is given; it always guesses the mean."""
    asked = []

    def denoiser(latents, t):
        asked.append((t, latents.std().item()))
        clean = torch.full_like(latents, MEAN)
        return schedule.prediction(clean, latents, t)

    sample(denoiser, NOISE, schedule, SamplerOptions(type="edm", steps=50, **options))
    return asked


@pytest.mark.parametrize("prediction", SCHEDULES)
def test_the_network_is_told_the_time_that_has_the_noise_there_is(prediction):
    schedule = NoiseSchedule.of(SCHEDULES[prediction])
    asked = noise_met(schedule, churn=15.0)
    for t, std in asked:
        assert std == pytest.approx(schedule.noise(t).item(), rel=0.03)
    assert asked[0][0] == 999, "the training knew no more noise"
    assert sum(isinstance(t, float) and t % 1 > 0 for t, _ in asked) > 40, "between two steps"


def test_noise_grows_by_what_the_paper_says():
    schedule = NoiseSchedule.of()
    plain = [schedule.sigma(t) for t, _ in run(schedule)[1]]

    def growth(**options):
        sigmas = [schedule.sigma(t) for t, _ in run(schedule, **options)[1]]
        return torch.tensor(sigmas[1:]) / torch.tensor(plain[1:])

    torch.testing.assert_close(growth(churn=5.0), torch.full((49,), 1.1), rtol=1e-4, atol=0)
    limited = growth(churn=1e6)  # where the schedule has as much
    torch.testing.assert_close(limited[5:], torch.full((44,), math.sqrt(2)), rtol=1e-4, atol=0)
    some = growth(churn=5.0, churn_above=0.05, churn_below=2.0)
    inside = torch.tensor([0.05 <= sigma <= 2 for sigma in plain[1:]])
    torch.testing.assert_close(some, torch.where(inside, 1.1, 1.0), rtol=1e-4, atol=0)
    assert 5 < int(inside.sum()) < 45


def test_fresh_noise_of_a_larger_spread_makes_the_latents_as_much_noisier():
    schedule = NoiseSchedule.of(SCHEDULES["epsilon"])
    (t, one), (same, more) = (noise_met(schedule, churn=20.0, churn_noise=noise)[1] for noise in (1.0, 1.5))
    before = schedule.sigma(noise_met(schedule)[1][0])
    fresh = schedule.sigma(t) ** 2 - before**2
    assert t == same and more**2 - one**2 == pytest.approx(1.25 * fresh * schedule.signal(t).item() ** 2, rel=0.05)


def test_fresh_noise_is_of_the_seed():
    schedule = NoiseSchedule.of()
    first, again, other = (run(schedule, steps=10, churn=3.0, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and (first - other).abs().mean() > 0.05


@pytest.mark.parametrize("key", [{"churn": 5.0}, {"churn_noise": 1.003}, {"churn_below": 3.0}, {"heun": True}])
def test_what_another_solver_has_not_is_refused(key):
    (name,) = key
    with pytest.raises(ConfigError, match=f"sampler: {name}: only edm has it, not ddim; remove it, or set type: edm"):
        SamplerOptions(type="ddim", **key)
