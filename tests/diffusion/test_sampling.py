import sys

import pytest
import torch

from segsr_arch.diffusion.samplers.noise import noise_of
from segsr_arch.diffusion.samplers.sampling import SamplerOptions, sample, steps_watched
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.errors import ConfigError, DependencyError

MEAN, SPREAD = 0.7, 0.5
SCHEDULES = {
    # Not Stable Diffusion's: its end still holds .068 of the image, which has a test of its own, and DDIM, of first
    # order, needs a finer beginning to keep the spread in 50 steps (.470).
    "epsilon": {"beta_start": 0.0001, "beta_end": 0.025},
    "v_prediction": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
}
TYPES = ("unipc", "ddim", "dpm++", "lcm", "edm")


def exact_denoiser(schedule, *, consistency=False):
    """The best denoiser of pixels that are normal with MEAN and SPREAD; its calls are counted.

    A consistency model gives the end of the path through z_t instead of the mean of all that z_t may come from.
    """
    times = []

    def predict(latents, t):
        times.append(t)
        signal, noise = schedule.signal(t), schedule.noise(t)
        total = (signal**2 * SPREAD**2 + noise**2).sqrt()
        off = (latents - signal * MEAN) / total
        clean = MEAN + off * (SPREAD if consistency else signal * SPREAD**2 / total)
        return schedule.target(clean, (latents - signal * clean) / noise, t)

    return predict, times


@pytest.mark.parametrize("prediction", SCHEDULES)
@pytest.mark.parametrize("kind", TYPES)
def test_samples_of_an_exact_denoiser_have_its_mean_and_spread(kind, prediction):
    schedule = NoiseSchedule.of(SCHEDULES[prediction])
    denoiser, times = exact_denoiser(schedule, consistency=kind == "lcm")
    ticks = []
    noise = noise_of((4, 128, 128), seed=0, keys=())[None]
    options = SamplerOptions(type=kind, steps=50)
    clean = sample(denoiser, noise, schedule, options, advance=lambda: ticks.append(None))
    assert clean.mean().item() == pytest.approx(MEAN, abs=0.02)
    assert clean.std().item() == pytest.approx(SPREAD, abs=0.02)
    assert len(times) == len(ticks) == 50, "one evaluation a step"
    assert times[0] == 999 and times == sorted(times, reverse=True), "trailing: from the last step downwards"


@pytest.mark.parametrize("kind", ["unipc", "ddim", "dpm++", "edm"])
@pytest.mark.parametrize(("of", "steps"), [(1000, 61), (500, 103), (100, 97)])
def test_steps_whose_spacing_does_not_add_up_are_as_many_and_at_no_time_below_0(kind, of, steps):
    """By floating point, diffusers' spacing has one step more of these, at -1."""
    schedule = NoiseSchedule.of({"num_train_timesteps": of, **SCHEDULES["v_prediction"]})
    noise = noise_of((4, 64, 64), seed=0, keys=())[None]
    for strength, count in ((1.0, steps), (0.5, round(0.5 * steps))):
        denoiser, times = exact_denoiser(schedule)
        clean = sample(
            denoiser,
            noise,
            schedule,
            SamplerOptions(type=kind, steps=steps),
            expected=noise_of((4, 64, 64), seed=1, keys=())[None] * SPREAD + MEAN,
            strength=strength,
        )
        assert len(times) == len(set(times)) == count and min(times) >= 0
        assert strength < 1 or times[0] == of - 1
        assert clean.mean().item() == pytest.approx(MEAN, abs=0.02)
        assert clean.std().item() == pytest.approx(SPREAD, abs=0.04)


@pytest.mark.parametrize("of", [100, 1000])
def test_a_sample_has_as_many_steps_as_it_is_to_have(of):
    schedule = NoiseSchedule.of({"num_train_timesteps": of, **SCHEDULES["v_prediction"]})
    for steps in range(1, 101):
        denoiser, times = exact_denoiser(schedule)
        sample(denoiser, torch.zeros(1, 1, 1, 1), schedule, SamplerOptions(type="ddim", steps=steps))
        assert len(times) == steps and min(times) >= 0, steps


@pytest.mark.parametrize(("kind", "spread"), [("unipc", SPREAD), ("dpm++", SPREAD), ("ddim", 0.470)])
def test_of_stable_diffusions_own_schedule_the_mean_is_kept_where_it_starts_with_what_is_expected(kind, spread):
    schedule = NoiseSchedule.of()
    assert schedule.signal(999).item() == pytest.approx(0.068, abs=5e-4)
    noise = noise_of((4, 64, 64), seed=0, keys=())[None]

    def mean_and_spread(expected):
        clean = sample(
            exact_denoiser(schedule)[0], noise, schedule, SamplerOptions(type=kind, steps=50), expected=expected
        )
        return clean.mean().item() - SPREAD * noise.mean().item(), clean.std().item()

    about = noise_of((4, 64, 64), seed=1, keys=())[None] * SPREAD + MEAN  # right on average
    assert mean_and_spread(about) == (pytest.approx(MEAN, abs=0.005), pytest.approx(spread, abs=0.02))
    assert mean_and_spread(None)[0] == pytest.approx(0.68, abs=0.005), "the image that is left is taken for zero"


@pytest.mark.parametrize("kind", TYPES)
def test_an_image_is_sampled_alone_as_in_a_batch(kind):
    schedule = NoiseSchedule.of()
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4, 4, 3, 3, generator=generator) / 6
    exact, _ = exact_denoiser(schedule)

    def denoiser(latents, t):
        return exact(latents, t) + 0.05 * torch.nn.functional.conv2d(latents, weight, padding=1).tanh()

    noise = torch.stack([noise_of((4, 12, 8), seed=0, keys=(name,)) for name in ("a", "b", "c")])
    options = SamplerOptions(type=kind, steps=5, churn=2.0 if kind == "edm" else 0.0)
    state = torch.random.get_rng_state()
    together = sample(denoiser, noise, schedule, options)
    assert torch.equal(torch.random.get_rng_state(), state), "no global generator is drawn from"
    for place in range(3):
        alone = sample(denoiser, noise[place : place + 1], schedule, options)
        assert (alone - together[place : place + 1]).abs().max() < 1e-5
    assert (together[0] - together[1]).abs().max() > 1e-4  # fresh noise leaves little of the first one: .0003


def test_another_seed_gives_other_fresh_noise():
    schedule = NoiseSchedule.of()
    denoiser, _ = exact_denoiser(schedule, consistency=True)
    noise = noise_of((1, 16, 16), seed=0, keys=())[None]
    one, other = (sample(denoiser, noise, schedule, SamplerOptions(type="lcm", steps=4, seed=seed)) for seed in (0, 1))
    assert (one - other).abs().mean() > 0.1


@pytest.mark.parametrize("kind", ["unipc", "ddim", "edm"])
def test_steps_are_told_to_whoever_watches_and_can_be_ended(kind):
    schedule, told = NoiseSchedule.of(), []
    options = SamplerOptions(type=kind, steps=5)

    def stop():
        told.append("stopped")
        raise InterruptedError

    with steps_watched(lambda: told.append("step")):
        sample(lambda latents, t: latents, torch.zeros(1, 4, 2, 2), schedule, options)
    sample(lambda latents, t: latents, torch.zeros(1, 4, 2, 2), schedule, options)  # nobody watches
    assert told == ["step"] * 5
    with pytest.raises(InterruptedError), steps_watched(stop):
        sample(lambda latents, t: latents, torch.zeros(1, 4, 2, 2), schedule, options)
    assert told == ["step"] * 5 + ["stopped"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 101}, "sampler: steps: at most the 100 of the schedule, got 101"),
        ({"type": "lcm", "steps": 60}, "lcm takes at most 50"),
    ],
)
def test_more_steps_than_there_are_are_refused(options, message):
    schedule = NoiseSchedule.of({"num_train_timesteps": 100})
    with pytest.raises(ConfigError, match=message):
        sample(lambda latents, t: latents, torch.zeros(1, 1, 2, 2), schedule, SamplerOptions(**options))


def test_options_that_are_not_known_are_refused():
    with pytest.raises(ConfigError, match="sampler: step is not an option; did you mean steps"):
        SamplerOptions.read({"step": 20})
    with pytest.raises(ConfigError, match="sampler: type: 'euler' is not known; use one of unipc, ddim"):
        SamplerOptions.read({"type": "euler"})


def test_without_diffusers_the_pip_command_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(DependencyError, match=r"pip install 'segsr-arch\[diffusion\]'"):
        NoiseSchedule.of()


def test_guidance_goes_from_its_start_to_its_end_in_proportion_to_the_noise():
    schedule = NoiseSchedule.of()
    options = SamplerOptions.read({"guidance": 7.5, "guidance_start": 4.0})
    assert schedule.sigma(999) == pytest.approx(14.6146, abs=1e-3), "the paper's figure"
    for t in (999, 700.5, 300, 0):
        expected = 7.5 + (4 - 7.5) * schedule.sigma(t) / 14.6146
        assert options.guidance_at(t, schedule) == pytest.approx(expected, abs=1e-4)
    assert options.guidance_at(999, schedule) == pytest.approx(4) and options.guidance_at(-1, schedule) == 7.5
    assert SamplerOptions(guidance=3.0).guidance_at(999, schedule) == 3.0
