import torch
from torch.nn import functional as F

from segsr_arch.semantics.modulation import LearnableModulation


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
