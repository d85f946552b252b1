"""Steps that take an earlier estimate: which ones, what they give, and what they cost."""

import logging

import pytest
import torch

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.archs.vldm_arch import VLDM
from segsr_arch.diffusion.samplers.edm import Churn, sample_edm
from segsr_arch.diffusion.samplers.noise import noise_of
from segsr_arch.diffusion.samplers.sampling import SamplerOptions, sample
from segsr_arch.diffusion.samplers.schedule import NoiseSchedule
from segsr_arch.diffusion.steering.acceleration import AccelerationOptions, Accelerator, relative_change
from segsr_arch.diffusion.steering.unet_halves import Encoded
from segsr_arch.errors import ConfigError
from segsr_arch.windows import Window
from tests.diffusion.test_sampling import exact_denoiser
from tests.support import TINY_MSSD, TINY_VLDM

SCHEDULE = NoiseSchedule.of()
WHOLE = Window(height=4, width=4)
# Of one image: what the encoder sees at each of eight steps.
SIGHTS = (1.0, 1.05, 1.2, 1.25, 1.3, 1.31, 1.32, 1.33)


def encoded_of(values):
    """What an encoder hands on of images that are flat, one value each."""
    deepest = torch.tensor(values).view(-1, 1, 1, 1).expand(-1, 2, 2, 2)
    return Encoded(deepest=deepest, skips=(), time=torch.zeros(len(values), 1), text=torch.zeros(len(values), 1, 1))


def computed_steps(*sights, t=999, strength=1.0, **options):
    """Which steps of which images are computed, by a policy that sees these features."""
    accelerator = Accelerator(AccelerationOptions(**options))
    sampler = SamplerOptions(type="ddim", steps=round(len(sights[0]) / strength))
    run = accelerator.begin(SCHEDULE, sampler, strength=strength)
    found = [[] for _ in sights]
    for step, values in enumerate(zip(*sights, strict=True)):
        latents = torch.zeros(len(values), 1, 4, 4)

        def complete(places, latents=latents, step=step):
            for place in torch.arange(len(latents))[places].tolist():
                found[place].append(step)
            return latents[places]

        run.predict(latents, t, WHOLE, encoded=encoded_of(values), complete=complete)
    assert accelerator.steps == sum(map(len, sights))
    assert accelerator.steps - accelerator.reused == sum(map(len, found))
    return found


def test_the_change_is_relative_and_each_images_own():
    before, now = torch.tensor([[2.0, -2.0], [0.0, 0.0]]), torch.tensor([[2.5, -2.0], [0.0, 0.0]])
    change = relative_change(before.view(2, 1, 1, 2), now.view(2, 1, 1, 2))
    torch.testing.assert_close(change, torch.tensor([0.125, 0.0]))


@pytest.mark.parametrize(
    ("options", "computed"),
    [
        # Changes to the last computed step: .05; .2 is too much; .042, .083; .092, but two in a row; .008; the last.
        ({"policy": "fixed"}, [0, 2, 5, 7]),
        ({"policy": "fixed", "most_in_a_row": 5}, [0, 2, 7]),  # then .1 at the sixth, which is not below
        ({"policy": "fixed", "most_in_a_row": 1}, [0, 2, 4, 6, 7]),
        ({"policy": "fixed", "protected_first": 2}, [0, 1, 2, 5, 7]),
        ({"policy": "fixed", "protected_last": 0}, [0, 2, 5]),
        ({"policy": "fixed", "protected_last": 3}, [0, 2, 5, 6, 7]),
        ({"policy": "fixed", "threshold": 0.3}, [0, 3, 6, 7]),
        ({"policy": "fixed", "threshold": 0.001}, [0, 1, 2, 3, 4, 5, 6, 7]),
        # From .03: missed by .05, which it then is; missed by .143, and then it lets all pass.
        ({"policy": "ratchet", "threshold": 0.03, "most_in_a_row": 9}, [0, 1, 2, 7]),
        ({"policy": "fixed", "threshold": 0.03, "most_in_a_row": 9}, [0, 1, 2, 3, 4, 7]),
    ],
)
def test_a_policy_computes_the_steps_that_it_says(options, computed):
    assert computed_steps(SIGHTS, **options) == [computed]


def test_the_last_step_is_computed_of_part_of_the_schedule_too():
    assert computed_steps(SIGHTS, strength=0.4, policy="fixed") == [[0, 2, 5, 7]]


def test_the_falling_threshold_is_in_proportion_to_the_share_of_noise():
    """A change of .04 is below .1 of half the noise, and not of a quarter."""
    sights = [1.0, 1.04, 1.04]
    half = min(range(1000), key=lambda t: abs(float(SCHEDULE.noise(t)) - 0.5))
    options = {"policy": "falling", "protected_last": 0}
    assert computed_steps(sights, t=half + 1, **options) == [[0]]
    assert computed_steps(sights, t=half // 2, **options) == [[0, 1]], float(SCHEDULE.noise(half // 2))
    assert computed_steps(sights, t=half // 2, policy="fixed", protected_last=0) == [[0]]


@pytest.mark.parametrize("policy", ["fixed", "falling", "ratchet"])
def test_images_of_a_batch_do_not_depend_on_each_other(policy):
    others = ([2.0 * value**3 for value in SIGHTS], [5.0] * 8)
    together = computed_steps(SIGHTS, *others, policy=policy)
    assert together == [steps for sights in (SIGHTS, *others) for steps in computed_steps(sights, policy=policy)]
    assert len({tuple(steps) for steps in together}) == 3


@pytest.mark.parametrize("kind", ["ddim", "edm"])
def test_an_earlier_estimate_gives_what_leaving_out_the_time_step_gives(kind):
    schedule = NoiseSchedule.of({"prediction_type": "v_prediction"})
    denoiser, asked = exact_denoiser(schedule)
    noise = noise_of((1, 4, 4), seed=0, keys=())[None]
    sights = iter([1.0, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0, 6.0])
    run = Accelerator(AccelerationOptions(policy="fixed")).begin(schedule, SamplerOptions(type=kind, steps=10))

    def accelerated(latents, t):
        def complete(places):
            return denoiser(latents[places], t)

        return run.predict(latents, t, WHOLE, encoded=encoded_of([next(sights)]), complete=complete)

    reused = sample(accelerated, noise, schedule, SamplerOptions(type=kind, steps=10))
    times = [999, 699, 499, 399, 199, 99]
    assert asked == times
    left_out = sample_edm(denoiser, noise, schedule, times, churn=Churn(), heun=False, seed=0)
    assert (reused - left_out).abs().max() < 1e-6
    all_steps = sample(denoiser, noise, schedule, SamplerOptions(type=kind, steps=10))
    assert (reused - all_steps).abs().max() > 1e-2


LQ = torch.rand(2, 3, 6, 9, generator=torch.Generator().manual_seed(0))
CAPTIONS = ["sharp roofs", ""]


def build(network_type=MSSD, **changes):
    """A network whose ControlNet adds something, as it does not before training."""
    torch.manual_seed(0)
    tiny = TINY_MSSD if network_type is MSSD else TINY_VLDM
    network = network_type(**{**tiny, "scale": 2, "correction": "none", **changes}).eval().requires_grad_(False)
    for module in (network.unet.stem, network.unet.control, network.unet.one_pass or torch.nn.Module()):
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network


DDIM = {"type": "ddim", "steps": 6, "guidance": 3.0}
EDM = {**DDIM, "type": "edm", "churn": 0.5}
POLICY = AccelerationOptions(policy="fixed", threshold=0.25)
CHURNED = AccelerationOptions(policy="fixed", threshold=0.6)  # fresh noise changes what the encoder sees, too
NETWORKS = {
    "guided": {"sampler": DDIM},
    "Stable Diffusion XL": {"network_type": VLDM, "sampler": DDIM, "base": {"type": "Bicubic", "upscale": 2}},
    "tiles": {"sampler": EDM, "latent_tile": {"size": 3, "overlap": 1}},
    "pixel attention": {"sampler": DDIM, "pixel_attention": True},
    "head": {"sampler": EDM, "one_pass_guidance": "head"},
    "embedding": {"sampler": DDIM, "one_pass_guidance": "embedding"},
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_an_image_alone_is_sampled_as_in_a_batch_and_where_nothing_is_reused_as_without_a_policy(kind):
    network = build(**NETWORKS[kind])
    plain = network(LQ, CAPTIONS)
    network.accelerator = Accelerator(AccelerationOptions(policy="fixed", threshold=1e-9))
    torch.testing.assert_close(network(LQ, CAPTIONS), plain, atol=1e-5, rtol=1e-5)
    assert network.accelerator.reused == 0
    network.accelerator = Accelerator(CHURNED if network.sampler.churn else POLICY)
    together, counts = network(LQ, CAPTIONS), []
    for place in range(2):
        before = network.accelerator.reused
        alone = network(LQ[place : place + 1], CAPTIONS[place : place + 1])
        counts.append(network.accelerator.reused - before)
        assert (alone - together[place : place + 1]).abs().max() < 1e-5
    assert min(counts) > 0 and 2 * sum(counts) == network.accelerator.reused
    assert (together - plain).abs().max() > 1e-3


@pytest.mark.parametrize("changes", ["guided", "head", "embedding"])
def test_an_earlier_estimate_costs_the_encoder_alone(changes):
    network = build(**NETWORKS[changes] | {"sampler": DDIM})
    seen = {"encoder": 0, "decoder": 0, "control": 0}
    unet = network.unet.parts.unet
    for name, module in (("encoder", unet.conv_in), ("decoder", unet.conv_out), ("control", network.unet.control)):

        def count(_module, inputs, name=name):
            seen[name] += len(inputs[0])

        module.register_forward_pre_hook(count)
    network.accelerator = Accelerator(POLICY)
    network(LQ[:1], CAPTIONS[:1])
    reused, branches = network.accelerator.reused, 2 if changes == "guided" else 1
    assert network.accelerator.steps == 6 and 1 <= reused <= 4
    assert seen["decoder"] == seen["control"] == branches * (6 - reused)
    assert seen["encoder"] == branches * (6 - reused) + reused


def test_of_each_tile_its_own_steps_are_chosen():
    """Two windows that are asked in turn, of which one never changes."""
    accelerator = Accelerator(AccelerationOptions(policy="fixed"))
    run = accelerator.begin(SCHEDULE, SamplerOptions(type="ddim", steps=4))
    latents, computed = torch.zeros(1, 1, 4, 4), []
    for step in range(4):
        for window, value in ((WHOLE, 1.0), (Window(left=4, height=4, width=4), 2.0**step)):

            def complete(places, asked=(step, window.left)):
                computed.append(asked)
                return latents[places]

            run.predict(latents, 999, window, encoded=encoded_of([value]), complete=complete)
    assert computed == [(0, 0), (0, 4), (1, 4), (2, 4), (3, 0), (3, 4)]


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (
            {"type": "unipc"},
            "fixed cannot be had with unipc: it goes on in the direction .* sampler: type: ddim or edm",
        ),
        ({"type": "dpm++"}, "fixed cannot be had with dpm"),
        ({"type": "lcm"}, "fixed cannot be had with lcm: each of its few steps"),
        ({"type": "edm", "heun": True}, "fixed cannot be had with heun: both of its evaluations .* Set heun: false"),
    ],
)
def test_a_solver_that_repeated_estimates_mislead_is_refused(sampler, message):
    with pytest.raises(ConfigError, match=f"acceleration: policy: {message}"):
        build(sampler=sampler, acceleration={"policy": "fixed"})
    network = build(sampler={"type": "ddim"}, acceleration={"policy": "fixed"})
    with pytest.raises(ConfigError, match=message):
        network(LQ, sampler=SamplerOptions(**sampler))
    build(sampler=sampler, acceleration={"policy": "none"})


def test_options_that_are_not_known_are_refused():
    with pytest.raises(ConfigError, match="acceleration: treshold is not an option; did you mean threshold"):
        build(acceleration={"treshold": 0.2})
    with pytest.raises(ConfigError, match="acceleration: policy: 'adaptive' is not known; use one of none, fixed"):
        AccelerationOptions(policy="adaptive")


def test_the_log_says_how_many_steps_were_reused_ever_more_rarely(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("segsr_arch"), "propagate", True)
    caplog.set_level(logging.INFO)
    accelerator, lines = Accelerator(AccelerationOptions(policy="fixed")), []
    for _ in range(9):
        caplog.clear()
        run = accelerator.begin(SCHEDULE, SamplerOptions(type="ddim", steps=4))
        for _ in range(4):
            latents = torch.zeros(1, 1, 4, 4)
            run.predict(latents, 999, WHOLE, encoded=encoded_of([1.0]), complete=lambda places: torch.zeros(1, 1, 4, 4))
        lines += [record.getMessage() for record in caplog.records]
    assert [line.split(" steps of ")[0] for line in lines] == [
        "Dynamic acceleration: 2 of 4",
        "Dynamic acceleration: 4 of 8",
        "Dynamic acceleration: 8 of 16",
        "Dynamic acceleration: 16 of 32",
    ]
    assert "(50 %) took an earlier estimate" in lines[-1]
    assert lines[-1].endswith("16 were computed.")
