import pytest
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.semantics.localization import SemanticLocalization


def test_shapes_and_default_numbers():
    module = SemanticLocalization(num_units=6, embed_dim=512)
    assert module(torch.rand(3, 512)).shape == (3, 6, 512)
    assert module.meta_net.perceptron[0].out_features == 512 // 16
    assert module.attention.num_heads == 8
    assert "local_descriptors" in module.state_dict() and module.local_descriptors.shape == (6, 512)


def test_equations_5_to_7_written_out():
    torch.manual_seed(0)
    module = SemanticLocalization(num_units=2, embed_dim=16, num_heads=2, reduction=4).double()
    image = torch.rand(1, 16, dtype=torch.double)
    meta, attention = module.meta_net, module.attention
    context = meta.perceptron[2](torch.relu(meta.perceptron[0](image)))
    fused = meta.projection(meta.scale(context) * module.global_descriptor + meta.shift(context))
    vectors = torch.cat([fused, module.local_descriptors])
    q, k, v = (vectors @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=1)
    heads = []
    for h in (slice(0, 8), slice(8, 16)):
        heads.append(torch.softmax(q[:, h] @ k[:, h].T / 8**0.5, dim=1) @ v[:, h])
    refined = attention.out_proj(torch.cat(heads, dim=1))
    expected = module.fusion(torch.sigmoid(module.gate(refined[1:])) * module.content(refined[:1]))
    torch.testing.assert_close(module(image)[0], expected)


def test_units_differ_and_follow_the_image():
    torch.manual_seed(0)
    module = SemanticLocalization(num_units=3, embed_dim=32, num_heads=4)
    one, other = module(torch.randn(2, 32))
    assert (one[0] - one[1]).abs().max() > 1e-4
    assert (one - other).abs().max() > 1e-4


def test_every_parameter_is_trained():
    module = SemanticLocalization(num_units=3, embed_dim=32, num_heads=4)
    module(torch.randn(2, 32)).square().sum().backward()
    assert all(p.grad is not None for p in module.parameters())
    assert all(row.abs().sum() > 0 for row in module.local_descriptors.grad)


def test_heads_must_divide_the_joint_width():
    with pytest.raises(ConfigError, match="num_heads: 8 does not divide .* joint width 36"):
        SemanticLocalization(num_units=1, embed_dim=36)
