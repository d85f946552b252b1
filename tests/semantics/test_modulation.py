import pytest
import torch
from torch.nn import functional as F

from segsr_arch.semantics.modulation import FeatureAddition, LearnableModulation


def test_untrained_only_normalises():
    module = LearnableModulation(channels=6, hidden_channels=4)
    features = torch.randn(2, 5, 7, 6) * 3 + 1
    torch.testing.assert_close(module(features, torch.rand(2, 1, 5, 7)), F.layer_norm(features, (6,)))


def test_equation_9_written_out():
    torch.manual_seed(0)
    module = LearnableModulation(channels=6, hidden_channels=4)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    features, guidance_map = torch.randn(2, 5, 7, 6), torch.rand(2, 1, 5, 7)
    hidden = F.relu(module.shared(guidance_map))
    nchw = features.permute(0, 3, 1, 2)
    mean, variance = nchw.mean(1, keepdim=True), nchw.var(1, keepdim=True, unbiased=False)
    expected = module.gain(hidden) * (nchw - mean) / (variance + 1e-5).sqrt() + module.bias(hidden)
    torch.testing.assert_close(module(features, guidance_map).permute(0, 3, 1, 2), expected, atol=1e-5, rtol=1e-5)


def test_shapes_of_the_default():
    module = LearnableModulation(channels=180)
    assert module.shared.weight.shape == (128, 1, 3, 3)
    assert module.gain.weight.shape == module.bias.weight.shape == (180, 128, 3, 3)


def test_without_layer_norm_equation_9_has_the_features_themselves():
    torch.manual_seed(0)
    module = LearnableModulation(channels=6, hidden_channels=4, layer_norm=False)
    features, guidance_map = torch.randn(2, 5, 7, 6) * 3 + 1, torch.rand(2, 1, 5, 7)
    assert torch.equal(module(features, guidance_map), features), "an untrained module changes nothing"
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    hidden = F.relu(module.shared(guidance_map))
    expected = module.gain(hidden) * features.permute(0, 3, 1, 2) + module.bias(hidden)
    torch.testing.assert_close(module(features, guidance_map).permute(0, 3, 1, 2), expected, atol=1e-5, rtol=1e-5)


def test_projected_features_modulate_with_as_many_channels_as_the_unit_has():
    torch.manual_seed(0)
    module = LearnableModulation(channels=6, hidden_channels=4, in_channels=6)
    assert module.shared.weight.shape == (4, 6, 3, 3)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    features, projected = torch.randn(2, 5, 7, 6), torch.randn(2, 6, 5, 7)
    hidden = F.relu(F.conv2d(projected, module.shared.weight, module.shared.bias, padding=1))
    normalised = F.layer_norm(features, (6,)).permute(0, 3, 1, 2)
    expected = module.gain(hidden) * normalised + module.bias(hidden)
    torch.testing.assert_close(module(features, projected).permute(0, 3, 1, 2), expected, atol=1e-4, rtol=1e-5)


def test_the_modulation_knows_nothing_of_the_normalisation_in_its_weights():
    with_norm, without = (LearnableModulation(channels=6, layer_norm=value).state_dict() for value in (True, False))
    assert {name: value.shape for name, value in with_norm.items()} == {n: v.shape for n, v in without.items()}


def test_addition_has_no_parameters():
    module = FeatureAddition()
    features, projected = torch.randn(2, 5, 7, 6), torch.randn(2, 6, 5, 7)
    assert list(module.parameters()) == []
    assert torch.equal(module(features, projected)[1, 2, 3], features[1, 2, 3] + projected[1, :, 2, 3])


@pytest.mark.parametrize("layer_norm", [True, False])
def test_a_residual_modulation_starts_as_identity_and_is_learned_from_there(layer_norm):
    torch.manual_seed(0)
    module = LearnableModulation(channels=6, hidden_channels=4, layer_norm=layer_norm, residual=True)
    features, guidance_map = torch.randn(2, 5, 7, 6) * 3 + 1, torch.rand(2, 1, 5, 7)
    assert torch.equal(module(features, guidance_map), features)
    assert torch.equal(module(features, guidance_map * -9), features)
    module(features, guidance_map).square().sum().backward()
    assert all(module.get_parameter(f"{name}.weight").grad.abs().sum() > 0 for name in ("gain", "bias"))
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    hidden = F.relu(module.shared(guidance_map))
    normalised = F.layer_norm(features, (6,)) if layer_norm else features
    expected = features.permute(0, 3, 1, 2) + module.gain(hidden) * normalised.permute(0, 3, 1, 2) + module.bias(hidden)
    torch.testing.assert_close(module(features, guidance_map).permute(0, 3, 1, 2), expected, atol=1e-5, rtol=1e-5)
