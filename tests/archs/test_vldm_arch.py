"""VLDM: the image of its first stage steers and starts it, words guide it, and its checkpoints have what is trained."""

import logging

import pytest
import torch

from segsr_arch.archs.vldm_arch import VLDM
from segsr_arch.captions.budget import clip_tokens
from segsr_arch.degradations.bicubic_operator import reduce_bicubic
from segsr_arch.errors import CheckpointError, ConfigError, WeightsError
from tests.archs.test_mssd_arch import SCALE, drawn, losses_of, pairs, train
from tests.support import TINY_DIFFUSION, TINY_DIFFUSION_XL, TINY_PIXEL_DIFFUSION, TINY_VLDM

PIXELS = {"type": "PixelDiffusion", "scale": SCALE, **TINY_PIXEL_DIFFUSION}


def build(seed=0, **changes):
    torch.manual_seed(seed)
    return VLDM(**{**TINY_VLDM, "scale": SCALE, **changes})


def hearing(network):
    """Let the LR image be heard, as it is after training."""
    torch.nn.init.normal_(network.unet.stem.leave.weight, std=0.5)
    for layer in [*network.unet.control.net.controlnet_down_blocks, network.unet.control.net.controlnet_mid_block]:
        torch.nn.init.normal_(layer.weight, std=0.2)
    return network.eval()


def lr_images(count=2, height=5, width=7):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("changes", [{}, {"diffuses": "image", "strength": 0.5}, {"base": PIXELS}])
def test_an_image_alone_is_sampled_as_in_a_batch_and_another_seed_gives_another(changes):
    network, lq = hearing(build(**changes)), lr_images()
    with torch.no_grad():
        both = network(lq, ["roofs", "a river"], seed=3)
        alone = network(lq[1:], ["a river"], seed=3)
        other = network(lq[1:], ["a river"], seed=4)
        elsewhere = network(lq.flip(-1)[1:], ["a river"], seed=3)
    assert both.shape == (2, 3, 10, 14)
    torch.testing.assert_close(both[1:], alone, atol=1e-5, rtol=1e-5)
    assert (other - alone).abs().max() > 1e-2 and (elsewhere.flip(-1) - alone).abs().max() > 1e-2


def test_the_image_of_the_first_stage_is_read_by_the_controlnet_in_training_and_in_sampling():
    network, lq = build(base=PIXELS), lr_images(height=8, width=8)
    read = []
    network.unet.stem.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    with torch.no_grad():
        network.eval()(lq, seed=3)
    assert torch.equal(read.pop(), network.image_of(lq, seed=3))
    assert not torch.equal(network.image_of(lq, seed=3), network.first_stage(lq, seed=3)), "noise of its own"

    def draw(kind, shape):
        return torch.full(shape, 5 / 2**31) if kind == "base" else drawn(0)(kind, shape)

    network.train().training_losses(lq, torch.rand(2, 3, 16, 16), draw=draw)
    assert torch.equal(read.pop(), network.image_of(lq, seed=5)), "another sample of it in each step"
    assert not network.first_stage.training


@pytest.mark.parametrize(("diffuses", "expected"), [("image", 2.0), ("residual", 0.0)])
def test_with_less_strength_sampling_starts_with_the_image_of_the_first_stage(diffuses, expected, monkeypatch):
    network, first = build(diffuses=diffuses, strength=0.5, latent_std=1.0).eval(), []

    def predict(latents, t, *_):
        first.append((latents.clone(), float(t[0])))
        return latents

    monkeypatch.setattr(network.unet, "predict_guided", predict)
    with torch.no_grad():
        for level in (0.0, 1.0):
            network(torch.full((1, 3, 8, 8), level), seed=3)
    (black, t), (white, _) = first
    assert len(first) == 2 and t == 499, "the second of two steps alone"
    apart = expected * float(network.schedule.signal(499))  # latents of black and white are -1 and 1
    torch.testing.assert_close(white - black, torch.full_like(black, apart), atol=1e-4, rtol=1e-4)


def test_guidance_leads_away_from_the_negative_words_with_and_without_a_caption():
    told = {"style": "", "negative": "blurry"}
    network, silent = hearing(build(**told)), hearing(build(style="", negative=""))
    lq = lr_images(1)
    latents, t = torch.randn(1, 48, 4, 4), torch.tensor([400])
    with torch.no_grad():
        features = network.unet.stem(torch.rand(1, 3, 16, 16)).features
        steering = network.unet.steering(features, ["roofs"], negative="blurry")
        away = network.unet.steering(features, ["blurry"])
        guided = network.unet.predict_guided(latents, t, steering, 3.0)
        words, blurry = (network.unet.predict(latents, t, each) for each in (steering, away))
        torch.testing.assert_close(guided, blurry + 3 * (words - blurry), atol=1e-4, rtol=1e-4)
        assert not torch.equal(words, blurry)
        assert not torch.equal(network(lq), silent(lq)), "no caption is something else than what is not wanted"


def test_style_words_survive_a_caption_of_300_words(monkeypatch, caplog):
    network, read = build().eval(), []
    forward = network.unet.parts.text.forward
    monkeypatch.setattr(network.unet.parts.text, "forward", lambda texts: read.append(list(texts)) or forward(texts))
    monkeypatch.setattr(logging.getLogger("segsr_arch"), "propagate", True)
    with torch.no_grad():
        network(lr_images(1), captions=[" ".join(f"Block {number} has a roof." for number in range(60))])
    (negative,), (caption,) = read
    assert negative == network.options.negative
    assert caption.startswith(f"{network.options.style}, Block 0 has a roof. ") and clip_tokens(caption) <= 77
    assert "Block 59 has a roof." in caplog.text and "A caption is longer than 77 tokens" in caplog.text


def test_training_lowers_the_loss_and_trains_the_controlnet_alone_unless_asked():
    network = build().train()
    before = losses_of(network)
    train(network, 20)
    after = losses_of(network)
    assert set(after) == {"l_noise"} and after["l_noise"] < 0.85 * before["l_noise"], (before, after)
    frozen = build(trained=["controlnet"], base=PIXELS)
    lq, hr = pairs()
    sum(frozen.training_losses(lq, hr, captions=["roofs", ""], draw=drawn(0)).values()).backward()
    assert {name.split(".")[1] for name, p in frozen.named_parameters() if p.requires_grad} == {"stem", "control"}
    assert all((p.grad is not None) == p.requires_grad for p in frozen.parameters()), "nothing waits in vain"


@pytest.mark.parametrize("size", [(1, 1), (3, 8)])
def test_any_size_is_taken_and_samples_agree_with_the_lr_image_if_that_is_wanted(size):
    lq = lr_images(1, *size)
    with torch.no_grad():
        sr = build(correction="consistent", base=PIXELS).eval()(lq)
    assert sr.shape == (1, 3, SCALE * size[0], SCALE * size[1])
    assert (torch.from_numpy(reduce_bicubic(sr.numpy(), SCALE)) - lq).abs().max() < 1e-4


def test_large_images_are_sampled_in_tiles():
    network, lq = hearing(build(correction="none", latent_tile={"size": 8, "overlap": 4})), lr_images(1, 24, 24)
    seen = []
    network.unet.parts.unet.conv_in.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-2:]))
    with torch.no_grad():
        assert network(lq).shape == (1, 3, 48, 48)
    assert set(seen) == {(8, 8)} and len(seen) == 2 * 4


def test_a_checkpoint_has_the_controlnet_alone_and_says_beside_what_it_was_trained(tmp_path):
    network, lq = hearing(build(trained=["controlnet"], base=PIXELS)), lr_images(1)
    state = network.state_dict()
    assert {name.split(".")[1] for name in state if name != "_extra_state"} == {"stem", "control"}
    other = build(1, trained=["controlnet"], base=PIXELS).eval()
    other.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(other(lq, ["roofs"]), network(lq, ["roofs"]))
    with pytest.raises(CheckpointError, match=r"first stage PixelDiffusion with weights random.* Bicubic with"):
        build(trained=["controlnet"]).load_state_dict(state)
    changed = {**TINY_DIFFUSION_XL, "seed": 1}
    with pytest.raises(CheckpointError, match=r"diffusion model inline with weights random\(0\).*random\(1\)"):
        build(trained=["controlnet"], base=PIXELS, stable_diffusion_xl=changed).load_state_dict(state)
    options = {"type": "VLDM", **TINY_VLDM, "trained": ["controlnet"], "scale": SCALE, "base": PIXELS}
    VLDM.check_options(options)
    VLDM.check_checkpoint(options, state, True)
    with pytest.raises(CheckpointError, match="diffuses residual in the file, image here"):
        VLDM.check_checkpoint({**options, "diffuses": "image"}, state, True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"diffuses": "noise"}, "network_g: diffuses: 'noise' is not known; use one of image, residual"),
        ({"strength": 0.0}, "network_g: strength: must be a number above 0 and at most 1"),
        ({"told_side": 0}, "network_g: told_side: must be a whole number of HR pixels, at least 1 or null, got 0"),
        ({"base": {**PIXELS, "scale": 4}}, "network_g: base: scale: PixelDiffusion enlarges x4, but scale is 2"),
        ({"base": {**PIXELS, "path": "gone.pth"}}, "network_g: base: path: there is no file gone.pth"),
        ({"stable_diffusion_xl": TINY_DIFFUSION}, "stable_diffusion_xl: text_2: must be a mapping"),
        ({"negative": "word " * 90}, "network_g: negative: is 92 tokens long, but the text encoder reads 77"),
        ({"style": "word " * 90}, "network_g: style: is 92 tokens long, but the text encoder reads 77"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_built(changes, message):
    with pytest.raises(ConfigError, match=message):
        VLDM.check_options({"type": "VLDM", **TINY_VLDM, "scale": SCALE, **changes})


def test_without_weights_it_says_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"type": "VLDM", "scale": 4, "stable_diffusion_xl": "./xl"}
    with pytest.raises(WeightsError, match="stable_diffusion_xl: there is no folder xl .*stable-diffusion-xl, copy"):
        VLDM.check_options(options)


def test_steps_of_a_sample_are_saved_as_in_mssd():
    sampler = {"type": "edm", "steps": 6, "churn": 1.0, "guidance": 3.0, "guidance_start": 1.5}
    saving = {"policy": "fixed", "threshold": 1e6, "most_in_a_row": 1, "protected_first": 1, "protected_last": 1}
    network = hearing(build(sampler=sampler, acceleration=saving, negative="blurry"))
    runs = []
    network.unet.parts.unet.conv_out.register_forward_pre_hook(lambda *_: runs.append(None))
    with torch.no_grad():
        assert network(lr_images(1), ["roofs"]).shape == (1, 3, 10, 14)
    assert network.accelerator.steps == 6 and network.accelerator.reused == 6 - len(runs) == 2
