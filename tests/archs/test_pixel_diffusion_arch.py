"""PixelDiffusion: what it samples from the LR image alone, and what of it is in a checkpoint."""

import pytest
import torch

from segsr_arch.archs.pixel_diffusion_arch import PixelDiffusion
from segsr_arch.archs.pixel_diffusion_options import PAPER_UNET
from segsr_arch.degradations.bicubic_operator import reduce_bicubic
from segsr_arch.diffusion.samplers.sampling import SolverOptions
from segsr_arch.errors import CheckpointError, ConfigError
from tests.archs.test_mssd_arch import drawn
from tests.support import TINY_PIXEL_DIFFUSION, make_image

SCALE = 4
PLAIN = {
    "base": "none",
    "loss": "l1",
    "correction": "none",
    "schedule": {"num_train_timesteps": 2000, "beta_schedule": "linear", "beta_start": 1e-6, "beta_end": 1e-2},
}


def build(**changes):
    torch.manual_seed(0)
    return PixelDiffusion(**{**TINY_PIXEL_DIFFUSION, "scale": SCALE, **changes})


def pairs(count=4, side=16):
    """LR and HR images (B, 3, H, W): reduced as LR images are, neither rounded nor cut."""
    hr = torch.stack([torch.from_numpy(make_image(seed, side * SCALE, side * SCALE)) for seed in range(count)])
    hr = hr.permute(0, 3, 1, 2).float() / 255
    return torch.from_numpy(reduce_bicubic(hr.numpy(), SCALE)), hr


@pytest.mark.parametrize("changes", [{}, PLAIN, {"block": 2}])
def test_an_image_alone_is_sampled_as_in_a_batch_and_another_seed_gives_another(changes):
    network, lq = build(**changes).eval(), torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both, alone, other = network(lq, seed=3), network(lq[1:], seed=3), network(lq[1:], seed=4)
    assert both.shape == (2, 3, 20, 28)
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-5)
    assert (other - alone).abs().max() > 1e-2


@pytest.mark.parametrize("changes", [{}, PLAIN])
def test_training_lowers_the_loss(changes):
    network = build(**changes)
    optimizer, (lq, hr) = torch.optim.AdamW(network.parameters(), lr=5e-3), pairs(2, side=4)

    def loss(step):
        return network.training_losses(lq, hr, draw=drawn(step))["l_noise"]

    with torch.no_grad():
        before = sum(float(loss(1000 + seed)) for seed in range(8))
    for step in range(25):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
    with torch.no_grad():
        assert sum(float(loss(1000 + seed)) for seed in range(8)) < 0.8 * before


def test_a_network_that_knows_the_answer_gives_it_whatever_is_diffused():
    """The exact v of what is beyond the base leads back to the HR image, from any noise and in any number of steps."""
    network, (lq, hr) = build(correction="none", latent_tile={"size": 32, "overlap": 8}).eval(), pairs(1)

    class Knowing(torch.nn.Module):
        def forward(self, images, times):
            seen, noised = images.chunk(2, dim=1)
            angle = (times * torch.pi / 2000).view(-1, 1, 1, 1)
            place = next(p for p in places if torch.equal(p[0], seen))
            clean = place[1]
            noise = (noised - angle.cos() * clean) / angle.sin()
            return type("Output", (), {"sample": angle.cos() * noise - angle.sin() * clean})

    enlarged = network.pixels.encode(network.enlarge(lq))
    clean = (network.pixels.encode(hr) - enlarged) / network.options.std
    places = [
        (enlarged[..., top : top + 32, left : left + 32], clean[..., top : top + 32, left : left + 32])
        for top in range(33)
        for left in range(33)
    ]
    network.unet = Knowing()
    for steps in (1, 5):
        with torch.no_grad():
            sr = network(lq, sampler=SolverOptions(type="ddim", steps=steps))
        torch.testing.assert_close(sr, hr, atol=1e-4, rtol=0)


def test_the_share_of_noise_is_drawn_between_the_steps_and_from_none_on():
    network, (lq, hr) = build(), pairs(2)
    seen = []
    network.unet.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[1]))

    def draw(kind, shape):
        return torch.tensor([0.0, 0.99999]) if kind == "t" else torch.zeros(shape)

    network.training_losses(lq, hr, draw=draw)
    assert seen[0][0] == 0 and 999 < seen[0][1] <= 1000


def test_samples_agree_with_the_lr_image_unless_that_is_not_wanted():
    lq, _ = pairs(1)
    for correction, close in (("consistent", True), ("none", False)):
        with torch.no_grad():
            sr = build(correction=correction).eval()(lq)
        assert (torch.from_numpy(reduce_bicubic(sr.numpy(), SCALE)) - lq).abs().max().lt(1e-4) == close


def test_the_default_unet_is_that_of_the_paper_and_is_checked_without_memory_for_it():
    PixelDiffusion.check_options({"type": "PixelDiffusion", "scale": 8})
    assert PAPER_UNET["block_out_channels"] == [64 * times for times in (1, 2, 4, 8, 8)]
    attends = [name.startswith("Attn") for name in PAPER_UNET["down_block_types"]]
    assert attends == [False, False, False, True, False], "224 / 8 = 28"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "nearest"}, "network_g: base: 'nearest' is not known; use one of bicubic, none"),
        ({"block": 3}, "network_g: block: must be a power of two, got 3"),
        ({"sampler": {"guidance": 9}}, "sampler: guidance is not an option"),
        ({"sampler": {"steps": 1001}}, "sampler: steps: at most the 1000 of the schedule, got 1001"),
        ({"sampler": {"type": "lcm", "steps": 60}}, "sampler: steps: lcm takes at most 50"),
        ({"latent_tile": {"size": 33}}, "latent_tile: size: must be a multiple of 2"),
        ({"unet": {"layers": 3}}, "network_g: unet: layers is not an option"),
        ({"unet": {"in_channels": 3}}, "unet: in_channels: follows from block; remove it"),
        ({"schedule": {"beta_schedule": "squaredcos_cap_v2"}}, "use v_prediction"),
        ({"correction": "consistent", "scale": 1}, "correction: consistent takes scales from 2 to 16, got 1; set"),
        ({"correction": "consistent", "scale": 32}, "to 16, got 32; set correction: wavelet or none"),
        ({"loss": "huber"}, "network_g: loss: 'huber' is not known; use one of l2, l1"),
    ],
)
def test_a_wrong_option_is_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        PixelDiffusion.check_options({"type": "PixelDiffusion", **TINY_PIXEL_DIFFUSION, "scale": SCALE, **changes})


def test_an_image_of_one_channel_is_refused():
    with pytest.raises(ConfigError, match="PixelDiffusion needs RGB"):
        build()(torch.rand(1, 1, 4, 4))


def test_a_checkpoint_of_another_network_is_refused_before_anything_is_built():
    state, options = build().state_dict(), {"type": "PixelDiffusion", **TINY_PIXEL_DIFFUSION, "scale": SCALE}
    build().load_state_dict(state)
    PixelDiffusion.check_checkpoint(options, state, True)
    for changes, message in (
        ({"scale": 2}, "scale 4 in the file, 2 here"),
        ({"base": "none"}, "base bicubic in the file, none here"),
        (PLAIN, "prediction_type v_prediction in the file, epsilon here"),
    ):
        with pytest.raises(CheckpointError, match=message):
            PixelDiffusion.check_checkpoint({**options, **changes}, state, True)
