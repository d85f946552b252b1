import json

import pytest
import torch

from segsr_arch.diffusion.samplers.noise import generator_of, noise_of
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.errors import ConfigError

# scheduler_config.json of Stable Diffusion 1.5, whose sampler is another one
STABLE_DIFFUSION = json.loads(
    '{"_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,'
    ' "num_train_timesteps": 1000, "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1,'
    ' "trained_betas": null, "clip_sample": false}'
)


def test_the_schedule_of_stable_diffusion_is_the_default_and_read_from_its_file():
    for schedule in (NoiseSchedule.of(), NoiseSchedule.of(STABLE_DIFFUSION)):
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        kept = (1 - betas).cumprod(0)
        for t in (0, 500, 999):
            assert schedule.signal(t).item() == pytest.approx(kept[t].sqrt().item(), rel=1e-5)
            assert schedule.noise(t).item() == pytest.approx((1 - kept[t]).sqrt().item(), rel=1e-4)
        assert schedule.steps == 1000 and schedule.signal(999).item() == pytest.approx(0.0683, abs=1e-4)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_the_target_leads_back_to_the_clean_latents_of_each_image(prediction):
    schedule = NoiseSchedule.of({"prediction_type": prediction, "num_train_timesteps": 100})
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 4, 5, 6, generator=generator)
    t = torch.tensor([3, 50, 99])
    noised = schedule.noised(clean, noise, t)
    target = schedule.target(clean, noise, t)
    assert torch.allclose(schedule.clean(target, noised, t), clean, atol=1e-4)
    alone = schedule.noised(clean[1:2], noise[1:2], 50)
    assert torch.equal(alone, noised[1:2])
    assert torch.allclose(schedule.target(clean[1:2], noise[1:2], 50), target[1:2])
    a, s = schedule.signal(t), schedule.noise(t)
    assert torch.allclose(a**2 + s**2, torch.ones(3, 1, 1, 1))
    if prediction == "v_prediction":
        assert torch.allclose(target, a * noise - s * clean)


@pytest.mark.parametrize("config", [{}, {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"}])
def test_the_time_of_a_noise_has_that_noise_and_lies_where_it_comes_from(config):
    schedule = NoiseSchedule.of(config)
    for t in (0, 1, 37, 998, 999):
        assert schedule.sigma(t) == pytest.approx((schedule.noise(t) / schedule.signal(t)).item(), rel=1e-4)
        assert schedule.time_of(schedule.sigma(t)) == pytest.approx(t, abs=1e-6)
    for sigma in (0.004, 0.1, 0.7, 3.3, 14.0):
        assert schedule.sigma(schedule.time_of(sigma)) == pytest.approx(sigma, rel=1e-9)
        assert schedule.time_of(sigma) % 1 > 0
    for clean in (-1, -1.0, torch.tensor([-1])):
        assert schedule.signal(clean).item() == 1 and schedule.noise(clean).item() == 0
    assert schedule.time_of(0.0) == -1 and schedule.time_of(1e9) == 999


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_a_prediction_stands_for_the_clean_latents_that_it_is_made_of(prediction):
    schedule = NoiseSchedule.of({"prediction_type": prediction})
    clean, noised = torch.randn(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    for t in (0, 3.25, torch.tensor([20, 900])):
        back = schedule.clean(schedule.prediction(clean, noised, t), noised, t)
        torch.testing.assert_close(back, clean, atol=1e-4, rtol=1e-4)


def test_noise_is_not_predicted_where_nothing_else_is_left():
    with pytest.raises(ConfigError, match=r"prediction_type: epsilon .* 4\.9e-05 .* use v_prediction"):
        NoiseSchedule.of({"beta_schedule": "squaredcos_cap_v2"})
    NoiseSchedule.of({"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"beta_shedule": "linear"}, "schedule: beta_shedule is not an option.*beta_schedule"),
        ({"prediction_type": "sample"}, "schedule: prediction_type: 'sample' is not known; use one of epsilon"),
        ({"beta_end": 1.5}, "schedule: beta_end: must be .* below 1"),
        ({**STABLE_DIFFUSION, "rescale_betas_zero_snr": True}, "rescale_betas_zero_snr .* not supported"),
        ({**STABLE_DIFFUSION, "trained_betas": [0.1, 0.2]}, "trained_betas .* not supported"),
    ],
)
def test_schedules_that_are_not_known_are_refused(config, message):
    with pytest.raises(ConfigError, match=message):
        NoiseSchedule.of(config)


def test_noise_is_of_its_purpose_alone():
    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    first = noise_of((4, 32, 32), seed=0, keys=("noise", 7, 0))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.randn(3)
    assert torch.equal(noise_of((4, 32, 32), seed=0, keys=("noise", 7, 0)), first)
    others = [
        noise_of((4, 32, 32), seed=seed, keys=keys)
        for seed, keys in [(1, ("noise", 7, 0)), (0, ("noise", 70)), (0, ("noise", 8, 0)), (0, ("noise", "7", 0))]
    ]
    for other in others:
        assert abs(torch.corrcoef(torch.stack([first.ravel(), other.ravel()]))[0, 1]) < 0.06
    assert abs(first.mean()) < 0.05 and abs(first.std() - 1) < 0.05
    assert generator_of(seed=0, keys=("t", 1)).integers(1000) == generator_of(seed=0, keys=("t", 1)).integers(1000)
