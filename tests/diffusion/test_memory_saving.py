"""Options that save memory: the same image, or nearly so, and parts that are where they are needed and nowhere else."""

import contextlib

import pytest
import torch

from segsr_arch.archs.vldm_arch import VLDM
from segsr_arch.diffusion import latent_network, memory_saving
from segsr_arch.errors import ConfigError
from segsr_arch.models.diffusion_model import DiffusionModel
from tests.archs.test_mssd_arch import SCALE, drawn, pairs
from tests.models.tiny import tiny_options
from tests.support import TINY_PIXEL_DIFFUSION, TINY_VLDM

PIXELS = {"type": "PixelDiffusion", "scale": SCALE, **TINY_PIXEL_DIFFUSION}


def build(**changes):
    torch.manual_seed(0)
    network = VLDM(**{**TINY_VLDM, "scale": SCALE, "trained": ["controlnet"], **changes})
    torch.manual_seed(1)
    torch.nn.init.normal_(network.unet.stem.leave.weight)
    for layer in [*network.unet.control.net.controlnet_down_blocks, network.unet.control.net.controlnet_mid_block]:
        torch.nn.init.normal_(layer.weight, std=0.2)
    return network.eval()


@torch.no_grad()
def sampled(network):
    lq = torch.rand(2, 3, 8, 7, generator=torch.Generator().manual_seed(0))
    return network(lq, ["roofs", "a river"], seed=3)


def test_attention_in_slices_gives_the_same_image():
    plain, sliced = build(), build(attention_slicing=True)
    kinds = {type(p).__name__ for p in sliced.unet.parts.unet.attn_processors.values()}
    kinds |= {type(p).__name__ for p in sliced.unet.control.net.attn_processors.values()}
    assert kinds == {"SlicedAttnProcessor"}
    torch.testing.assert_close(sampled(sliced), sampled(plain), atol=1e-5, rtol=0)


def test_half_precision_halves_what_is_frozen_and_changes_an_image_a_little():
    plain, half = build(), build(precision="bf16")
    off = (sampled(half) - sampled(plain)).abs()
    assert 0 < off.mean() < 0.01
    sizes = [sum(p.nbytes for p in n.unet.parts.unet.parameters()) for n in (half, plain)]
    assert sizes[0] < 0.55 * sizes[1]
    assert {p.dtype for p in half.unet.parts.autoencoder.parameters()} <= {torch.float32}
    half.load_state_dict(plain.state_dict())  # its weights are the same ones, and it is no other network
    trained = {p.dtype for p in half.parameters() if p.requires_grad}
    assert trained == {torch.float32}


def test_in_half_precision_the_controlnet_can_be_trained():
    network, (lq, hr) = build(precision="bf16").train(), pairs()
    loss = network.training_losses(lq, hr, captions=["roofs", ""], draw=drawn(0))["l_noise"]
    loss.backward()
    expected = build().train().training_losses(lq, hr, captions=["roofs", ""], draw=drawn(0))["l_noise"]
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)
    assert all((p.grad is not None) == p.requires_grad for p in network.parameters())


def test_parts_wait_on_the_cpu_and_one_at_a_time_is_elsewhere(monkeypatch):
    monkeypatch.setattr(memory_saving, "check_offload", lambda wanted: None)
    network, plain = build(cpu_offload=True, base=PIXELS), build(base=PIXELS)
    parts = network.unet.parts
    names = {parts.text: "text", parts.autoencoder: "autoencoder", parts.unet: "unet"}
    names[network.first_stage.network] = "first stage"
    here, order = [], []

    @contextlib.contextmanager
    def brought(module, device, *, waits):  # as on an accelerator, but for the move
        assert waits and not here
        here.append(names[module])
        order.append(names[module])
        yield
        here.clear()

    def must_be_here(name):
        def check(*_):
            assert here == [name]

        return check

    monkeypatch.setattr(latent_network, "brought", brought)
    parts.text.encoder.register_forward_pre_hook(must_be_here("text"))
    parts.unet.conv_in.register_forward_pre_hook(must_be_here("unet"))
    network.first_stage.network.register_forward_pre_hook(must_be_here("first stage"))
    assert torch.equal(sampled(network), sampled_as_usual(plain, monkeypatch))
    assert order == ["first stage", "text", "autoencoder", "unet", "autoencoder"]


def sampled_as_usual(network, monkeypatch):
    monkeypatch.setattr(latent_network, "brought", memory_saving.brought)
    return sampled(network)


def test_what_waits_does_not_go_where_the_network_goes_but_is_brought_and_sent_back(monkeypatch):
    monkeypatch.setattr(memory_saving, "check_offload", lambda wanted: None)
    network = build(cpu_offload=True, base=PIXELS).to("meta")
    waiting = [*network.unet.parts.parameters(), *network.first_stage.parameters()]
    assert {p.device.type for p in waiting} == {"cpu"}
    assert {p.device.type for p in network.unet.control.parameters()} == {"meta"}, "what is trained goes with it"
    moves = []
    module = torch.nn.Linear(1, 1)
    monkeypatch.setattr(module, "to", lambda device: moves.append(str(device)))
    with pytest.raises(KeyError), memory_saving.brought(module, torch.device("meta"), waits=True):
        raise KeyError
    assert moves == ["meta", "cpu"], "after an error, too"


def test_without_an_accelerator_offloading_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="cpu_offload: parts wait on the CPU .* torch finds none here; remove it"):
        VLDM.check_options({"type": "VLDM", **TINY_VLDM, "scale": SCALE, "cpu_offload": True})
    with pytest.raises(ConfigError, match="torch finds none"):
        build(cpu_offload=True)
    with (
        pytest.raises(ConfigError, match="the images are on the CPU .num_gpu: 0"),
        memory_saving.brought(torch.nn.Linear(1, 1), torch.device("cpu"), waits=True),
    ):
        pass


def test_a_training_with_parts_that_wait_is_refused(tmp_path):
    options = tiny_options(
        tmp_path,
        network={**TINY_VLDM, "type": "VLDM", "scale": 2, "cpu_offload": True},
        model_type="DiffusionModel",
        train={"pixel_opt": None},
    )
    with pytest.raises(ConfigError, match="network_g: cpu_offload: is for samples alone"):
        DiffusionModel.check_options({**options, "is_train": True})
