"""MSSD where memory does not suffice: fewer images at once, then smaller tiles, then a sentence."""

import logging

import pytest
import torch

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.samplers.latent_tiles import LatentTileOptions
from segsr_arch.diffusion.samplers.memory_fit import MemoryFit
from segsr_arch.errors import NotEnoughMemoryError
from tests.support import TINY_MSSD

TORCHS = torch.OutOfMemoryError("Tried to allocate 20.00 GiB.\nMore.")


def limited(network, monkeypatch, *, latents, error=TORCHS):
    """Let the UNet have no memory for more latent pixels, those of all images of a batch together; its calls' sizes."""
    sizes, predict = [], network.unet.predict_guided

    def out_of_memory(given, *rest):
        sizes.append((len(given), *given.shape[-2:]))
        if given[:, 0].numel() > latents:
            raise error
        return predict(given, *rest)

    monkeypatch.setattr(network.unet, "predict_guided", out_of_memory)
    return sizes


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = MSSD(**{**TINY_MSSD, "scale": 2, "latent_tile": {"size": 32, "overlap": 12}}).eval()
    torch.nn.init.normal_(network.unet.stem.leave.weight)
    return network


@torch.no_grad()
def test_fewer_images_are_sampled_at_once_then_smaller_tiles_and_it_is_said_once(network, monkeypatch, caplog):
    lq = torch.rand(2, 3, 32, 24, generator=torch.Generator().manual_seed(0))  # latents of 16 x 12
    captions = ["blurred", "noisy"]
    whole = network(lq, captions, seed=3)
    with monkeypatch.context() as context, caplog.at_level(logging.INFO):
        sizes = limited(network, context, latents=16 * 12)
        torch.testing.assert_close(network(lq, captions, seed=3), whole, atol=1e-5, rtol=1e-5)
        assert sizes == [(2, 16, 12), *[(1, 16, 12)] * 2 * 2], "each image in two steps"
        assert [record.getMessage() for record in caplog.records] == [
            "MSSD: memory does not suffice: going on with one image after the other."
        ]
    with monkeypatch.context() as context:
        sizes = limited(network, context, latents=8 * 8, error=RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"))
        tiled = network(lq, captions, seed=3)
        assert (1, 16, 12) in sizes and sizes.count((1, 8, 8)) == len(sizes) - 1 and len(caplog.records) == 1
        before = len(sizes)
        network(lq, captions, seed=3)
        assert set(sizes[before:]) == {(1, 8, 8)}, "what was found to fit holds for further images"
    network.latent_tile, network._fit = LatentTileOptions(size=8, overlap=4), MemoryFit("MSSD")
    torch.testing.assert_close(network(lq, captions, seed=3), tiled, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_where_nothing_fits_a_sentence_says_so_and_other_errors_pass(network, monkeypatch):
    with monkeypatch.context() as context:
        limited(network, context, latents=0)
        with pytest.raises(NotEnoughMemoryError, match="MSSD: memory does not suffice for one image") as told:
            network(torch.rand(1, 3, 32, 32))
        assert "in tiles of 8 latent pixels (OutOfMemoryError: Tried to allocate 20.00 GiB.)." in str(told.value)
    limited(network, monkeypatch, latents=0, error=RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        network(torch.rand(1, 3, 32, 32))


def test_the_warning_names_the_option_that_gives_the_same(caplog):
    fit = MemoryFit("MSSD")

    def sample(of, tile):
        if tile.size > 30:
            raise MemoryError
        return torch.zeros(of.stop - of.start)

    with caplog.at_level(logging.INFO):
        assert fit(sample, count=2, side=200, tile=LatentTileOptions(size=96, overlap=16)).shape == (2,)
    assert "latent_tile: {size: 24, overlap: 12, autoencoder: 24} of network_g" in caplog.text
