import pytest
import torch
import torch.nn.functional as F

from segsr_arch.archs.haunet import rectified_attention as kernel
from segsr_arch.archs.haunet.attention import channel_weights
from segsr_arch.archs.haunet.interaction import CrossScaleInteraction
from segsr_arch.archs.haunet_arch import HAUNet
from segsr_arch.errors import ConfigError
from tests.support import TINY_HAUNET


def plain_attention(query, key, value):
    return torch.relu(query @ key.transpose(1, 2)).softmax(-1) @ value


@pytest.mark.parametrize(("scores", "least"), [(1, 3), (1, 7), (800_000, 16)])
def test_attention_in_runs_of_queries_is_the_plain_one_and_so_are_its_gradients(scores, least, monkeypatch):
    monkeypatch.setattr(kernel, "_SCORES_PER_THREAD", scores)
    monkeypatch.setattr(kernel, "_LEAST_QUERIES", least)
    torch.manual_seed(0)
    inputs = [torch.randn(2, 17, 5, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    found, expected = kernel.rectified_attention(*inputs), plain_attention(*inputs)
    torch.testing.assert_close(found, expected)
    weights = torch.randn_like(found)
    for one, other in zip(*(torch.autograd.grad((x * weights).sum(), inputs) for x in (found, expected)), strict=True):
        torch.testing.assert_close(one, other)
    assert torch.autograd.gradcheck(kernel.rectified_attention, inputs)


def test_what_is_kept_for_the_backward_pass_grows_with_the_pixels_not_with_their_square():
    network = HAUNet(**TINY_HAUNET)
    kept = []
    for side in (16, 32):
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t, n=sizes: (n.append(t.numel()), t)[1], lambda t: t):
            network(torch.rand(1, 3, side, side))
        kept.append(sum(sizes))
    assert kept[1] < 4.2 * kept[0]


def test_weights_between_channels_are_softmaxes_of_rectified_cosines():
    torch.manual_seed(0)
    query, key = torch.randn(2, 3, 20, 4), torch.randn(2, 3, 20, 6)
    temperature = torch.tensor([0.5, 1.0, 7.0]).view(3, 1, 1)
    weights = channel_weights(query, key, temperature)
    cosines = F.cosine_similarity(query.unsqueeze(-1), key.unsqueeze(-2), dim=2)
    torch.testing.assert_close(weights, (temperature * cosines).clamp(min=0).softmax(-1).transpose(2, 3))
    assert channel_weights(0 * query, key, temperature).isfinite().all()


def test_the_interaction_is_that_of_all_scales_enlarged_to_the_finest():
    torch.manual_seed(0)
    module = CrossScaleInteraction(dim=4, scales=3, heads=2)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    features = [torch.randn(2, 4, 8 // side, 16 // side) for side in (1, 2, 4)]
    with torch.no_grad():
        found = module(features)
        enlarged = [F.interpolate(x, size=(8, 16)).permute(0, 2, 3, 1) for x in features]
        normed = [scale.norm(x) for scale, x in zip(module.scales, enlarged, strict=True)]
        weight = torch.cat([scale.key_value.weight for scale in module.scales], 1)
        keys = F.linear(torch.cat(normed, 3), weight, module.scales[0].key_value.bias)
        key, value = module.local(keys.permute(0, 3, 1, 2)).flatten(2).chunk(2, 1)
        for scale, x, norm, given in zip(module.scales, enlarged, normed, found, strict=True):
            query = scale.local(scale.query(norm).permute(0, 3, 1, 2)).flatten(2)
            q, k, v = (part.unflatten(1, (2, -1)) for part in (query, key, value))
            scores = F.normalize(q, dim=3) @ F.normalize(k, dim=3).transpose(2, 3) * scale.temperature
            attended = (scores.relu().softmax(-1) @ v).flatten(1, 2).unflatten(2, (8, 16)).permute(0, 2, 3, 1)
            x = scale.perceptron(x + scale.sum.weight * scale.project(attended)).permute(0, 3, 1, 2)
            torch.testing.assert_close(given, F.interpolate(x, size=given.shape[2:]), rtol=1e-4, atol=1e-5)


def test_units_give_nchw_of_their_scale_and_hooks_replace_it():
    network = HAUNet(**TINY_HAUNET).eval()
    lq, shapes = torch.rand(1, 3, 10, 13), []
    plain = network(lq)
    names = ["encoders.0", "encoders.1", "encoder_middle", "decoder_middle", "decoders.0", "decoders.1"]
    for name in names:
        network.get_submodule(name).register_forward_hook(lambda _, __, output: shapes.append(tuple(output.shape[1:])))
    network.decoder_middle.register_forward_hook(lambda _, __, output: 2 * output.contiguous())
    assert not torch.allclose(network(lq), plain)
    assert shapes == [(8, 12, 16), (8, 6, 8), (8, 3, 4), (8, 3, 4), (8, 6, 8), (8, 12, 16)]


def test_an_untrained_network_begins_with_blocks_that_change_nothing():
    network = HAUNet(**TINY_HAUNET)
    features = torch.randn(1, 8, 8, 8)
    torch.testing.assert_close(network.encoders[0](features), features)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upscale": 5}, "HAUNet: upscale: 5: give one of 1, 2, 3, 4, 8"),
        ({"width": 0}, "width: 0: give a whole number of at least 1"),
        ({"encoders": 5}, "encoders: 5: give a list of whole numbers of at least 1, one for each scale"),
        ({"middle": 3}, "middle: 3: give an even number"),
        ({"decoders": [1]}, r"decoders: \[1\]: give as many entries as encoders has \(2\)"),
        ({"heads": [1, 2]}, r"heads: \[1, 2\]: give one entry more than encoders has \(3\)"),
        ({"heads": [1, 2, 3]}, r"heads: 3: give a divisor of width \(8\)"),
        ({"interaction_heads": 3}, r"interaction_heads: 3: give a divisor of width \(8\)"),
        ({"upscale": 6, "in_chans": 0}, "upscale: 6.*in_chans: 0"),
    ],
)
def test_wrong_arguments_are_named_with_a_remedy(options, message):
    with pytest.raises(ConfigError, match=message):
        HAUNet(**{**TINY_HAUNET, **options})
    with pytest.raises(ConfigError, match=message):
        HAUNet.check_options({"type": "HAUNet", **TINY_HAUNET, **options})


def test_more_scales_and_fewer():
    deep = HAUNet(width=8, encoders=[1, 1, 1], middle=2, decoders=[1, 1, 1], heads=[1, 2, 4, 4])
    flat = HAUNet(width=8, encoders=[1], middle=2, decoders=[1], heads=[1, 2])
    for network, multiple in ((deep, 8), (flat, 2)):
        assert network.size_multiple == multiple
        with torch.no_grad():
            assert network(torch.rand(1, 3, 9, 5)).shape == (1, 3, 36, 20)
