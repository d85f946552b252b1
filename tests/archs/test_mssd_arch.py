"""MSSD: what it samples, what it is trained by, and what of it is in a checkpoint."""

import logging

import pytest
import torch

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.captions.budget import clip_tokens
from segsr_arch.errors import ConfigError
from tests.support import TINY_DIFFUSION, TINY_MSSD, make_image

SCALE = 2


def build(**changes):
    torch.manual_seed(0)
    return MSSD(**{**TINY_MSSD, "scale": SCALE, **changes})


def drawn(seed):
    """Random numbers as a model of a training hands them to the network."""
    generator = torch.Generator().manual_seed(seed)

    def draw(kind, shape):
        return (torch.rand if kind == "t" else torch.randn)(shape, generator=generator)

    return draw


def pairs(count=2, side=16):
    """LR and HR images of smooth content."""
    images = [torch.from_numpy(make_image(seed, side * SCALE, side * SCALE)) for seed in range(count)]
    hr = torch.stack(images).permute(0, 3, 1, 2).float() / 255
    return torch.nn.functional.avg_pool2d(hr, SCALE), hr


def train(network, steps):
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=3e-3)
    lq, hr = pairs()
    for step in range(steps):
        losses = network.training_losses(lq, hr, image_ids=torch.tensor([3, 4]), draw=drawn(step))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()


@torch.no_grad()
def losses_of(network):
    """Mean losses of the training pairs over the same eight draws."""
    lq, hr = pairs()
    all_losses = [network.eval().training_losses(lq, hr, draw=drawn(1000 + seed)) for seed in range(8)]
    network.train()
    return {name: float(sum(losses[name] for losses in all_losses)) / 8 for name in all_losses[0]}


def test_before_training_nothing_is_added_to_the_unet_and_the_lr_image_says_nothing():
    network = build(pixel_attention=True).eval().unet
    unet, latents, t = network.parts.unet, torch.randn(1, 48, 6, 7), torch.tensor([500])
    with torch.no_grad():
        one, other = (network.steering(network.stem(torch.rand(1, 3, 24, 28)).features, ["a"]) for _ in range(2))
        control = network.control(latents, t, one.text.tokens, one.features)
        alone = unet(latents, t, one.text.tokens).sample
        assert all(not added.any() for added in (*control.down, control.middle))
        assert control.deepest.any() and [level.shape[-2:] for level in control.levels] == [(6, 7), (3, 4)]
        assert torch.equal(network.predict(latents, t, one), alone)
        assert torch.equal(network.predict(latents, t, other), alone)


def test_training_lowers_every_loss_and_then_the_lr_image_changes_the_noise_that_is_predicted():
    network = build(pixel_attention=True).train()
    before = losses_of(network)
    train(network, 20)
    after = losses_of(network)
    assert set(after) == {"l_noise", "l_rgb"}
    assert after["l_noise"] < 0.85 * before["l_noise"] and after["l_rgb"] < 0.6 * before["l_rgb"], (before, after)
    network.eval()
    latents, t = torch.randn(1, 48, 8, 8), torch.tensor([500])
    with torch.no_grad():
        one, other = (
            network.unet.predict(latents, t, network.unet.steering(network.unet.stem(image).features, None))
            for image in (torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32))
        )
    assert (one - other).abs().max() > 1e-3


def test_an_image_alone_is_sampled_as_in_a_batch_and_another_seed_gives_another():
    network = build().eval()
    lq = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both = network(lq, ["blurred", "noisy"], seed=3)
        alone = network(lq[1:], ["noisy"], seed=3)
        other = network(lq[1:], ["noisy"], seed=4)
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=1e-5)
    assert (other - alone).abs().max() > 1e-2


@pytest.mark.parametrize("base", ["none", "bicubic"])
def test_sampling_starts_with_what_the_schedule_leaves_of_the_image_at_its_end(base, monkeypatch):
    network, first = build(base=base).eval(), []

    def predict(latents, *_):
        first.append(latents.clone())
        return latents

    monkeypatch.setattr(network.unet, "predict_guided", predict)
    with torch.no_grad():
        for level in (0.0, 1.0):
            network(torch.full((1, 3, 8, 8), level), seed=3)
    apart = first[2] - first[0]  # two steps each; latents of black and white are -1 and 1, divided by latent_std
    signal = float(network.schedule.signal(999))
    assert signal == pytest.approx(0.068, abs=5e-4)
    expected = 2 * signal / TINY_MSSD["latent_std"] if base == "none" else 0.0
    torch.testing.assert_close(apart, torch.full_like(apart, expected), atol=1e-4, rtol=1e-4)


def test_words_are_weighted_against_silence_in_one_pass_of_twice_the_images():
    network = build().eval().unet
    latents, t = torch.randn(2, 48, 4, 4), torch.tensor([10, 900])
    with torch.no_grad():
        steering = network.steering(network.stem(torch.rand(2, 3, 16, 16)).features, ["sharp roofs", ""])
        words, silence = network.predict(latents, t, steering), network.predict(latents, t, steering.silent())
        guided = network.predict_guided(latents, t, steering, 3.0)
        torch.testing.assert_close(guided, silence + 3 * (words - silence), atol=1e-4, rtol=1e-4)
        assert torch.equal(network.predict_guided(latents, t, steering, 1.0), words)
        assert not torch.equal(words[0], silence[0])
        torch.testing.assert_close(words[1], silence[1], atol=1e-5, rtol=1e-5)


def test_what_is_frozen_gets_no_gradient():
    network = build(trained=["controlnet"])
    lq, hr = pairs()
    sum(network.training_losses(lq, hr, draw=drawn(0)).values()).backward()
    trained = {name.split(".")[1] for name, p in network.named_parameters() if p.requires_grad}
    assert trained == {"stem", "control"}
    assert all((p.grad is not None) == p.requires_grad for p in network.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trained": ["unet"]}, r"trained: must be \[controlnet\] or \[controlnet, unet\]"),
        ({"base": "nearest"}, "network_g: base: 'nearest' is not known; use one of none, bicubic"),
        ({"latent_std": 0.0}, "network_g: latent_std: must be a number above 0"),
        ({"correction": "wavelets"}, "correction: wavelets is not known; did you mean wavelet"),
        ({"correction": "consistent", "scale": 1}, "correction: consistent takes scales from 2 to 16, got 1; set"),
        ({"sampler": {"step": 3}}, "sampler: step is not an option; did you mean steps"),
        ({"contrast": {"tau": 0.1}}, "contrast: tau is not an option"),
        ({"stable_diffusion": {**TINY_DIFFUSION, "vae": {}}}, "stable_diffusion: vae is not an option; known are"),
        ({"stable_diffusion": {"autoencoder": {"type": "pixels", "factor": 3}}}, "factor: must be a power of two"),
        ({"stable_diffusion": {**TINY_DIFFUSION, "unet": {"layers": 3}}}, "unet: layers is not an option"),
        ({"stable_diffusion": {**TINY_DIFFUSION, "text": None}}, "text: must be a mapping"),
    ],
)
def test_a_wrong_option_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        build(**changes)


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        ({"steps": 1001}, "sampler: steps: at most the 1000 of the schedule, got 1001"),
        ({"type": "lcm", "steps": 60}, "sampler: steps: lcm takes at most 50, .* got 60 of 1000"),
    ],
)
def test_steps_are_checked_against_the_schedule_before_anything_is_built(sampler, message):
    options = {"type": "MSSD", **TINY_MSSD, "scale": SCALE}
    MSSD.check_options({**options, "sampler": {"steps": 1000}})
    with pytest.raises(ConfigError, match=message):
        MSSD.check_options({**options, "sampler": sampler})


def test_captions_are_as_many_as_images():
    with pytest.raises(ConfigError, match="captions: 1 for 2 images"):
        build()(torch.rand(2, 3, 4, 4), ["one"])


def test_style_words_stand_before_what_is_wanted_however_long_a_caption_is(monkeypatch, caplog):
    network = build(style="clean, 8k").eval()
    read = []
    steering = network.unet.steering
    monkeypatch.setattr(
        network.unet,
        "steering",
        lambda features, captions, **said: read.append(captions) or steering(features, captions, **said),
    )
    monkeypatch.setattr(logging.getLogger("segsr_arch"), "propagate", True)
    lq, _ = pairs()
    long = " ".join(f"Block {number} has a roof." for number in range(60))
    with torch.no_grad():
        network(lq, captions=["blurred roofs => sharp roofs", long])
    change, cut = read[0]
    assert change == "blurred roofs => clean, 8k, sharp roofs"
    assert cut.startswith("clean, 8k, Block 0 has a roof. ") and clip_tokens(cut) <= 77
    assert "A caption is longer than 77 tokens; left out: Block" in caplog.text
    assert "Block 59 has a roof." in caplog.text


def test_large_images_are_sampled_in_tiles_of_one_noise_field():
    network = build(correction="none", sampler={"steps": 3}).eval()
    lq, _ = pairs(1, side=24)
    whole = network(lq)
    in_tiles = build(correction="none", sampler={"steps": 3}, latent_tile={"size": 8, "overlap": 4}).eval()
    in_tiles.load_state_dict(network.state_dict())
    seen = []
    in_tiles.unet.parts.unet.conv_in.register_forward_pre_hook(
        lambda _, inputs: seen.append(tuple(inputs[0].shape[-2:]))
    )
    sr = in_tiles(lq)
    assert set(seen) == {(8, 8)} and len(seen) == 3 * 4
    assert sr.shape == whole.shape and not torch.equal(sr, whole)
    assert (sr - whole).abs().mean() < 0.3 * (whole - network(lq, seed=1)).abs().mean()
