"""Our HAT against spandrel's copy of the public one, with the same weights; its gradients in float64."""

import pytest
import torch

from segsr_arch.archs.hat_arch import HAT

peer_module = pytest.importorskip("spandrel.architectures.HAT")
pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")

SMALL = {
    "embed_dim": 12,
    "depths": (2, 1),
    "num_heads": (2, 3),
    "mlp_ratio": 2,
    "squeeze_factor": 4,
    "drop_path_rate": 0.0,
}
SIZES = [(1, 64, 64), (1, 48, 80), (2, 50, 61)]
# (window_size, img_size, upscale): windows shifted and, where the training patch is one window, not.
VARIANTS = [(16, 64, 2), (16, 16, 3), (8, 64, 4), (8, 8, 2)]


def make_pair(**options):
    """Both networks with the same weights, none of which is left as constant as initialised."""
    torch.manual_seed(0)
    ours, peer = HAT(**options), peer_module.HAT(**options)
    state = peer.state_dict()
    for name, value in state.items():
        if "relative_position_bias" in name:
            state[name] = torch.randn_like(value)
        elif value.is_floating_point():
            state[name] = value + 0.05 * torch.randn_like(value)
        if name == "conv_last.weight":
            state[name] = 0.1 * value  # outputs near the range of images
        # Far from the kinks of the two rectifiers, where rounding alone would change the gradient.
        if name.endswith("attention.1.bias") or name == "conv_before_upsample.0.bias":
            state[name] = torch.where(torch.arange(len(value)) % 2 == 0, 3.0, -3.0)
    ours.load_state_dict(state, strict=True)
    peer.load_state_dict(ours.state_dict(), strict=True)
    return ours, peer


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("window_size", "img_size", "upscale"), VARIANTS)
def test_output_and_all_gradients_are_equal(size, window_size, img_size, upscale):
    ours, peer = make_pair(window_size=window_size, img_size=img_size, upscale=upscale, **SMALL)
    networks = ours, peer.double()
    batch, height, width = size
    image = torch.rand(batch, 3, height, width)
    weights = torch.randn(batch, 3, height * upscale, width * upscale) / image[0].numel()
    outputs, gradients = [], []  # of both networks
    for network, dtype in zip(networks, (torch.float32, torch.float64), strict=True):
        lq = image.to(dtype, copy=True).requires_grad_()
        outputs.append(network.train()(lq))
        (outputs[-1] * weights).sum().backward()
        gradients.append({"lq": lq.grad, **{name: p.grad for name, p in network.named_parameters()}})
    assert outputs[1].abs().max() > 0.3
    assert (outputs[0] - outputs[1]).abs().max() <= 1e-5
    for name, expected in gradients[1].items():
        largest = expected.abs().max()
        assert largest > 0, name
        assert (gradients[0][name] - expected).abs().max() <= 1e-4 * largest, name
    with torch.no_grad():
        assert (networks[0].eval()(image) - networks[1].eval()(image.double())).abs().max() <= 1e-5


@pytest.mark.parametrize("options", [{"qkv_bias": False}, {"resi_connection": "identity"}, {"in_chans": 1}])
def test_other_options_are_equal_too(options):
    ours, peer = make_pair(window_size=8, overlap_ratio=0.25, img_range=255.0, upscale=2, **SMALL, **options)
    image = torch.rand(1, options.get("in_chans", 3), 19, 24)
    with torch.no_grad():
        torch.testing.assert_close(ours(image), peer(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("upscale", "millions"), [(4, 20.77), (2, 20.62)])
def test_full_size_has_the_published_names_shapes_and_count(upscale, millions):
    with torch.device("meta"):
        ours = HAT(upscale=upscale)
    peer = peer_module.HAT(
        upscale=upscale, embed_dim=180, depths=(6,) * 6, num_heads=(6,) * 6, window_size=16, mlp_ratio=2
    )
    shapes = [{name: value.shape for name, value in network.state_dict().items()} for network in (ours, peer)]
    assert shapes[0] == shapes[1]
    counts = [sum(p.numel() for p in network.parameters()) for network in (ours, peer)]
    assert counts[0] == counts[1]
    assert round(counts[0] / 1e6, 2) == millions


def test_position_indices_are_the_published_ones():
    ours, peer = make_pair(window_size=8, upscale=2, **SMALL)
    for name in ("relative_position_index_SA", "relative_position_index_OCA"):
        assert torch.equal(getattr(HAT(window_size=8, upscale=2, **SMALL), name), getattr(peer, name))
