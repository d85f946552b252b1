import pytest
import torch
import torch.nn.functional as F

from segsr_arch.archs.spt.attention import PyramidAttention, pyramid
from segsr_arch.archs.spt_arch import SPT
from segsr_arch.errors import ConfigError
from tests.support import TINY_SPT


def test_the_pyramid_is_mean_plus_maximum_of_squares():
    x = torch.randn(2, 3, 16, 24)
    for side, pooled in zip((2, 4, 8), pyramid(x), strict=True):
        torch.testing.assert_close(pooled, F.avg_pool2d(x, side) + F.max_pool2d(x, side))


def test_every_pixel_attends_to_all_pooled_ones():
    torch.manual_seed(0)
    attention = PyramidAttention(dim=8, heads=2, qkv_bias=True)
    positions = [torch.nn.Conv2d(8, 8, 3, padding=1, groups=8) for _ in range(3)]
    x = torch.randn(2, 8, 16, 8)
    with torch.no_grad():
        found = attention(x, positions)
        pooled = [p + conv(p) for p, conv in zip(pyramid(x.permute(0, 3, 1, 2)), positions, strict=True)]
        tokens = attention.norm(torch.cat([p.flatten(2) for p in pooled], 2).transpose(1, 2))
        assert tokens.shape == (2, 32 + 8 + 2, 8)
        key, value = attention.key_value(tokens).chunk(2, 2)
        query = attention.query(x).flatten(1, 2)
        attended = [
            (query[..., part] @ key[..., part].transpose(1, 2) / 2).softmax(-1) @ value[..., part]
            for part in (slice(0, 4), slice(4, 8))
        ]
        expected = attention.proj(torch.cat(attended, 2)).view(2, 8, 16, 8)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_heads_of_the_paper_are_as_wide_as_in_all_channels():
    with torch.device("meta"):
        network = SPT()
    assert [layer.attn.heads for block in network.layers for layer in block.layers] == [4] * 18
    assert network.layers[0].layers[0].attn.query.in_features == 64


def test_what_the_result_lacks_of_the_lr_image_is_enlarged_and_added():
    torch.manual_seed(0)
    network = SPT(**TINY_SPT, upscale=2).eval()
    lq = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        for layer in network.correction:
            layer.weight.zero_(), layer.bias.zero_()
        first = network(lq)
        network.correction[0].weight[:3, :, 1, 1] = torch.eye(3)
        network.correction[1].weight[:, :3, 0, 0] = torch.eye(3)
        corrected = network(lq)
        error = lq - F.interpolate(first, scale_factor=0.5, mode="bilinear")
    torch.testing.assert_close(corrected, first + F.interpolate(error, scale_factor=2, mode="bilinear"))
    assert (corrected - first).abs().max() > 1e-3


def test_blocks_pass_on_nhwc_and_hooks_replace_it():
    network = SPT(**TINY_SPT, upscale=2).eval()
    lq, seen = torch.rand(2, 3, 5, 10), []
    plain = network(lq)

    def replace(_module, args, output):
        seen.append((args[0].shape, output.shape))
        return (2 * output).permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)  # another order in memory does as well

    for layer in network.layers:
        layer.register_forward_hook(replace)
    assert not torch.allclose(network(lq), plain)
    assert seen == [((2, 8, 16, 12),) * 2] * 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"upscale": 5}, "SPT: upscale: 5: give one of 1, 2, 3, 4, 8"),
        ({"depths": 3}, "depths: 3: give a list of whole numbers of at least 1, one for each block"),
        ({"num_heads": 5}, r"num_heads: 5: give a divisor of embed_dim \(12\)"),
        ({"inner_dim": 10}, "inner_dim: 10: give a multiple of 4, the channels of a head"),
        ({"mlp_ratio": 0.01}, "mlp_ratio: 0.01: give at least 1 / embed_dim"),
        ({"img_range": 0}, "img_range: 0: give a number above 0"),
        ({"upscale": 6, "in_chans": 0}, "upscale: 6.*in_chans: 0"),
    ],
)
def test_wrong_arguments_are_named_with_a_remedy(options, message):
    with pytest.raises(ConfigError, match=message):
        SPT(**{**TINY_SPT, **options})
    with pytest.raises(ConfigError, match=message):
        SPT.check_options({"type": "SPT", **TINY_SPT, **options})
