import pytest
import torch
from basicsr.archs import build_network

from segsr_arch.capabilities import FOREIGN, Capabilities
from segsr_arch.errors import ConfigError
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tile_options import TileOptions

RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "num_grow_ch": 4}


def test_the_result_is_that_of_the_reflected_image_and_the_image_is_not_changed():
    network = build_network({**RRDB, "scale": 1}).eval()  # sides must be multiples of 4
    lq = torch.rand(1, 3, 9, 12)
    before = lq.clone()
    with torch.no_grad():
        sr = super_resolve(network, lq, scale=1)
        reflected = torch.cat([lq, lq[..., 5:8, :].flip(-2)], dim=-2)
        torch.testing.assert_close(sr, network(reflected)[..., :9, :])
    assert torch.equal(lq, before)


def test_an_image_that_fits_is_copied_for_a_network_that_works_in_place():
    class InPlace(torch.nn.Module):
        def forward(self, x):
            return x.mul_(2)

    lq = torch.rand(1, 3, 4, 4)
    before = lq.clone()
    assert torch.equal(super_resolve(InPlace(), lq, scale=1), 2 * before) and torch.equal(lq, before)


class EvenSides(torch.nn.Module):
    """Repeats each pixel, of images with even sides alone."""

    def forward(self, x):
        assert x.shape[-2] % 2 == x.shape[-1] % 2 == 0
        return torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")


def test_tiles_that_are_no_multiple_of_the_grid_lie_where_they_belong(monkeypatch):
    monkeypatch.setitem(FOREIGN, "EvenSides", Capabilities(size_multiple=2))
    network = EvenSides()
    lq = torch.rand(1, 3, 20, 22)
    tiled = super_resolve(network, lq, scale=2, tile=TileOptions(size=15, overlap=7))
    torch.testing.assert_close(tiled, network(lq))


@pytest.mark.parametrize("tile", [None, TileOptions(size=8, overlap=2)])
@pytest.mark.parametrize("scale", [1, 3])
def test_an_output_of_another_scale_is_refused_and_not_cut_to_size(tile, scale):
    with pytest.raises(ConfigError, match=rf"expected \(\d+, \d+\) for height and width, {scale} times theirs"):
        super_resolve(EvenSides(), torch.rand(1, 3, 8, 12), scale=scale, tile=tile)
