"""One guide for every network, at every scale that the network knows."""

import pytest
import torch
from torch.nn import functional as F

from segsr_arch.errors import CheckpointError
from segsr_arch.zoo.named_networks import build_base
from tests.guiding.bases import BASES, base_options, build, images
from tests.guiding.test_guided_network import shake

EVERY_SCALE = [(name, scale) for name, base in BASES.items() for scale in base.scales]


@pytest.mark.parametrize(("name", "scale"), EVERY_SCALE)
def test_shapes_sizes_and_gradients(name, scale):
    network = shake(build(name, scale)).eval()
    assert network.upscale == scale and type(network.base).__name__ == name.removeprefix("spandrel/")
    assert network.unit_paths == [f"{BASES[name].stack}.{unit}" for unit in (0, 1)]
    for height, width in ((1, 1), (2, 9), (16, 16), (13, 22)):
        with torch.no_grad():
            sr = network(images(height, width, count=2))
        assert sr.shape == (2, 3, scale * height, scale * width) and sr.isfinite().all()

    network.train()
    network(images(11, 14, count=2)).square().mean().backward()
    trained = {key: p.grad for key, p in network.named_parameters() if p.requires_grad}
    assert [key for key, gradient in trained.items() if gradient is None] == []
    assert not [key for key, p in network.named_parameters() if not p.requires_grad and p.grad is not None]
    # The key biases of an attention shift every score of a row alike, so their true gradient is zero; hidden channels
    # of small perceptrons may all be off behind their ReLU.
    excused = (".in_proj_bias", ".qkv.bias", ".kv.bias", ".k_proj.", ".perceptron.", *BASES[name].idle)
    zero = [key for key, gradient in trained.items() if not gradient.abs().sum() > 0]
    assert all(any(part in key for part in excused) for key in zero), zero


@pytest.mark.parametrize(("name", "scale"), EVERY_SCALE)
def test_switched_off_it_is_the_base(name, scale):
    """Untrained, the guide gives what the base gives, up to the normalisation of each unit's output."""
    lq = images(16, 12)  # sides that no network needs to pad
    network = build(name, scale, layer_norm=False).eval()
    by_hand = build_base(base_options(name, scale)).eval()
    by_hand.load_state_dict(network.base.state_dict())
    with torch.no_grad():
        plain = by_hand(lq)
        torch.testing.assert_close(network(lq), plain, rtol=0, atol=1e-6)
        torch.testing.assert_close(network.base(lq), plain, rtol=0, atol=0)

        for modulation in network.guide.modulation:
            modulation.layer_norm = True
        for path, output in zip(network.unit_paths, network.unit_outputs, strict=True):
            by_hand.get_submodule(path).register_forward_hook(normalise_nchw if output.format == "nchw" else normalise)
        torch.testing.assert_close(network(lq), by_hand(lq), rtol=0, atol=2e-6)
        assert bool((by_hand(lq) - plain).abs().max() > 1e-4) is not BASES[name].normalises


def normalise(_module, _inputs, output):
    return F.layer_norm(output, output.shape[-1:])


def normalise_nchw(_module, _inputs, output):
    return normalise(None, None, output.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("modules", ["sfem", "sfem+lmm"])
@pytest.mark.parametrize("name", ["RRDBNet", "SwinIR"])
def test_guides_without_maps_fit_as_well(name, modules):
    network = build(name, modules=modules)
    lq = images(10, 7)
    if modules == "sfem":
        with torch.no_grad():
            torch.testing.assert_close(network.eval()(lq), build(name, layer_norm=False).eval()(lq), rtol=0, atol=1e-5)
    shake(network).train()(lq).mean().backward()
    assert not [key for key, p in network.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize("name", BASES)
def test_published_weights_of_the_base_load(name, tmp_path):
    torch.manual_seed(7)
    published = build_base(base_options(name)).eval()
    path = tmp_path / "published.pth"
    torch.save({"params_ema": published.state_dict()}, path)
    network = build(name, layer_norm=False, pretrain_base=str(path)).eval()
    lq = images(16, 16)
    with torch.no_grad():
        torch.testing.assert_close(network(lq), published(lq), rtol=0, atol=1e-6)
    torch.save({"params": {"conv.weight": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match=f"published.pth does not fit the {name.removeprefix('spandrel/')}"):
        build(name, pretrain_base=str(path))
