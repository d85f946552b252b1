import pytest
import torch
import torch.nn.functional as F

from segsr_arch.archs.hat.blocks import OverlappingAttentionBlock
from segsr_arch.archs.parts.perceptron import Mlp
from segsr_arch.archs.ttst.feed_forward import MultiScaleFeedForward
from segsr_arch.archs.ttst.global_context import GlobalContextAttention
from segsr_arch.archs.ttst.token_selection import TokenSelectiveAttention
from segsr_arch.archs.ttst_arch import TTST
from segsr_arch.errors import ConfigError

TINY = {
    "upscale": 2,
    "embed_dim": 12,
    "depths": (2, 1),
    "num_heads": (2, 3),
    "window_size": 4,
    "drop_path_rate": 0.0,
}


def make(**options):
    torch.manual_seed(0)
    return TTST(**{**TINY, **options})


def shaken(module):
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module


def selected_one_by_one(module, x):
    """Token selective attention as the paper puts it: a matrix of scores, masked anew for each selection."""
    batch, height, width, channels = x.shape
    query, key, value = (
        each.reshape(batch, module.heads, -1, height * width)
        for each in module.qkv_dwconv(module.qkv(x.permute(0, 3, 1, 2))).chunk(3, 1)
    )
    scores = F.normalize(query, dim=3) @ F.normalize(key, dim=3).transpose(2, 3) * module.temperature
    attended, size = 0, scores.shape[3]
    weights = (module.attn1, module.attn2, module.attn3, module.attn4)
    for kept, weight in zip((size // 2, size * 2 // 3, size * 3 // 4, size * 4 // 5), weights, strict=True):
        least = scores.sort(3, descending=True).values[..., kept - 1 : kept]
        attended = attended + weight * scores.masked_fill(scores < least, -torch.inf).softmax(3) @ value
    projected = module.project_out(attended.reshape(batch, channels, height, width))
    return projected.permute(0, 2, 3, 1)


def test_one_search_for_the_best_gives_what_four_give_and_their_gradients():
    module = shaken(TokenSelectiveAttention(dim=30, heads=3, bias=True)).double()
    x = torch.randn(2, 4, 5, 30, dtype=torch.float64, requires_grad=True)
    inputs = (x, *module.parameters())
    outputs = module(x)[0], selected_one_by_one(module, x)
    torch.testing.assert_close(*outputs)
    weights = torch.randn_like(outputs[0])
    torch.testing.assert_close(*(torch.autograd.grad((output * weights).sum(), inputs) for output in outputs))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_many_pixels_and_silent_channels_are_no_danger_to_half_precision(dtype):
    module = TokenSelectiveAttention(dim=4, heads=2, bias=False).to(dtype)
    x = torch.full((1, 300, 300, 4), 8.0, dtype=dtype)  # the sum of the squares is far beyond float16
    x[..., 0] = 0
    with torch.no_grad():
        assert module(x)[0].isfinite().all() and module(0 * x)[0].isfinite().all()


def test_every_pair_of_sizes_of_neighbourhoods_is_in_the_feed_forward_layer():
    module = shaken(MultiScaleFeedForward(dim=2, hidden=9))
    with torch.no_grad():
        for convolution in (*module.first, *module.second):
            convolution.weight.abs_()
        module.project_in.weight.abs_()
    reach = []
    for channel in range(27):
        x = torch.ones(1, 15, 15, 2, requires_grad=True)
        with torch.no_grad():
            module.project_out.weight.zero_()[0, channel] = 1
        module(x)[0, 7, 7, 0].backward()
        reach.append(int((x.grad[0, :, 7, 0] != 0).sum()))
    # 3 + 3 - 1, 3 + 5 - 1 and so on, three channels of each
    assert reach == [5] * 3 + [7] * 3 + [9] * 3 + [7] * 3 + [9] * 3 + [11] * 3 + [9] * 3 + [11] * 3 + [13] * 3


def test_global_context_sees_a_near_and_a_far_neighbourhood():
    module, x = shaken(GlobalContextAttention(dim=4)), torch.rand(1, 32, 32, 4)
    assert module(x).shape == x.shape and not module(0 * x).any()
    changed = x.clone()
    changed[0, 16, 16] += 1
    rows = (module(changed) - module(x)).abs().amax((0, 2, 3)) > 1e-7
    # 1 + 4 of the two neighbourhoods, and 3 of the convolution that weighs them
    assert rows.nonzero().flatten().tolist() == list(range(8, 25))


def test_published_parts_are_options():
    network, published = make(), make(feed_forward="mlp", global_context=False)
    parts = [[type(module) for module in each.modules()] for each in (network, published)]
    assert [kinds.count(MultiScaleFeedForward) for kinds in parts] == [3, 0]
    assert [kinds.count(GlobalContextAttention) for kinds in parts] == [2, 0]
    overlapping = parts[0].count(OverlappingAttentionBlock)
    assert [kinds.count(Mlp) for kinds in parts] == [overlapping, overlapping + 3]
    names = {name.split(".", 4)[-1] for name in published.state_dict() if ".blocks.0.conv_block." in name}
    assert {"0.conv_block.temperature", "0.conv_block.qkv_dwconv.weight", "0.conv_block.attn4"} <= names


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_other_scales_and_sizes(scale):
    with torch.no_grad():
        assert make(upscale=scale).eval()(torch.rand(2, 3, 5, 9)).shape == (2, 3, 5 * scale, 9 * scale)


def test_every_parameter_gets_a_gradient():
    network = shaken(make()).train()
    network(torch.rand(2, 3, 8, 8)).square().mean().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_compiles_as_one_graph():
    network, image = make(depths=(1,), num_heads=(2,)).eval(), torch.rand(1, 3, 6, 8)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    with torch.no_grad():
        torch.testing.assert_close(compiled(image), network(image))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feed_forward": "gated"}, "TTST: feed_forward: 'gated': give multiscale or mlp"),
        ({"multiscale_ratio": 0}, "multiscale_ratio: 0: give a number above 0"),
        ({"embed_dim": 1, "num_heads": (1, 1)}, "embed_dim: 1: give at least 2, or global_context: false"),
        ({"upsampler": "nearest"}, "TTST has only pixelshuffle"),
        ({"upscale": 5, "num_heads": 2}, "num_heads: 2: give a list.*upscale: 5: give one of"),
    ],
)
def test_wrong_arguments_are_named_with_a_remedy(options, message):
    with pytest.raises(ConfigError, match=message):
        make(**options)


def test_an_argument_of_hat_that_it_has_not_is_refused():
    with pytest.raises(TypeError, match="squeeze_factor"):
        make(squeeze_factor=30)
