"""The autoencoder of Stable Diffusion in tiles gives what it gives at once."""

import math

import pytest
import torch
from diffusers import AutoencoderKL

from segsr_arch.diffusion.parts import autoencoder_tiles
from segsr_arch.diffusion.parts.autoencoders import LatentAutoencoder
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from segsr_arch.errors import ConfigError
from tests.support import make_image

TILE = LatentTileOptions(size=64, overlap=12, autoencoder=24)


@pytest.fixture
def autoencoder():
    """Random weights, of three levels: 4 pixels a latent."""
    torch.manual_seed(0)
    levels = {"down_block_types": ["DownEncoderBlock2D"] * 3, "up_block_types": ["UpDecoderBlock2D"] * 3}
    vae = AutoencoderKL(block_out_channels=(8, 8, 8), layers_per_block=1, norm_num_groups=4, **levels)
    return LatentAutoencoder(vae.eval())


def decibels(one, whole):
    return -10 * math.log10(float((one - whole).square().mean() / whole.var()))


@torch.no_grad()
def test_tiles_that_share_their_statistics_give_the_whole_and_no_seam(autoencoder, monkeypatch):
    # its contrast rises from left to right, so that tiles have statistics of their own
    image = torch.from_numpy(make_image(0, 144, 176)).permute(2, 0, 1)[None].float() / 255
    image = 0.5 + (image - 0.5) * torch.linspace(0.1, 1, 176)
    seen, encode, decode = [], autoencoder.vae.encoder.conv_in, autoencoder.vae.decoder.conv_out
    for module in (encode, decode):
        module.register_forward_hook(lambda _module, given, output: seen.append(output.shape[-2:]))
    latents = autoencoder.encode(image)
    whole = autoencoder.decode(latents)
    assert seen == [(144, 176)] * 2
    seen.clear()
    in_tiles = autoencoder.encode(image, TILE)
    decoded = autoencoder.decode(latents, TILE)
    assert set(seen) == {(96, 96)}, "24 latents of 4 pixels, none of them whole"
    assert decibels(in_tiles, latents) > 50 and decibels(decoded, whole) > 50
    edges = decoded.diff(dim=-1).square().mean((0, 1, 2)) / whole.diff(dim=-1).square().mean((0, 1, 2))
    assert edges.min() > 0.95 and edges.max() < 1.05, "columns are as rough as those of the whole, in overlaps, too"
    monkeypatch.setattr(autoencoder_tiles._SharedStatistics, "next_sweep", lambda _: 0.0)
    assert decibels(autoencoder.decode(latents, TILE), whole) < 35, "each tile by itself"


@torch.no_grad()
def test_what_fits_a_tile_is_done_at_once(autoencoder):
    latents = torch.randn(1, 4, 20, 24)
    assert torch.equal(autoencoder.decode(latents, TILE), autoencoder.decode(latents))


@torch.no_grad()
@pytest.mark.parametrize("tile", [LatentTileOptions(), TILE])
def test_under_autocast_it_computes_in_float32(autoencoder, tile):
    image = torch.from_numpy(make_image(0, 144, 176)).permute(2, 0, 1)[None].float() / 255
    latents = autoencoder.encode(image, tile)
    decoded = autoencoder.decode(latents, tile)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(autoencoder.encode(image, tile), latents)
        assert torch.equal(autoencoder.decode(latents, tile), decoded)
        assert autoencoder.decode(latents.bfloat16(), tile).dtype == torch.float32
    assert latents.dtype == decoded.dtype == torch.float32


def test_tiles_of_the_autoencoder_are_larger_than_their_overlap():
    with pytest.raises(ConfigError, match="latent_tile: autoencoder: must be above the overlap; got 16 and 16"):
        LatentTileOptions(autoencoder=16)
