import torch

from segsr_arch.semantics import SemanticGuide, SemanticsConfig
from tests.support import TINY_SEMANTICS


def test_maps_and_modulation_on_a_grid_beyond_the_image():
    guide = SemanticGuide(config=SemanticsConfig(**TINY_SEMANTICS), unit_channels=[5, 7], scale=4).eval()
    lq = torch.rand(2, 3, 13, 9)
    maps = guide(lq)
    assert maps.shape == (2, 2, 7, 5)  # ceil(4 * 13 / 8), ceil(4 * 9 / 8)
    assert maps.abs().max() <= 1 + 1e-6
    features = torch.randn(2, 16, 16, 7)
    assert guide.modulate(1, features, maps).shape == features.shape
    # A unit on a grid of half the resolution sees the map of the same places.
    fine = guide.resize(maps, (16, 16))
    coarse = guide.resize(maps, (4, 4), stride=4)
    torch.testing.assert_close(coarse[..., 1, 1], fine[..., 5:7, 5:7].mean((-1, -2)), atol=1e-5, rtol=1e-5)
