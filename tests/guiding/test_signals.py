"""Signals that are computed once from a whole image and guide tiles of it."""

import re

import numpy as np
import pytest
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.windows import Window
from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake

GUIDES = [{}, {"map_upsampling": "learned", "learned_map_scale": True}, {"modules": "sfem+lmm"}, {"modules": "sfem"}]
HEIGHT, WIDTH = 37, 44


def guided(name="MSRResNet", **semantics):
    return shake(build(name, 2, **semantics)).eval()


def shown(network, lq, signals=None):
    """The signals that units are shown on their grids in one pass: arrays (B, n, height, width)."""
    seen = []
    hooks = [
        module.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[1].numpy()))
        for module in network.guide.modulation
    ]
    with torch.no_grad():
        network(lq, signals=signals)
    for hook in hooks:
        hook.remove()
    return seen


def tile_of(image, window):
    return image[(..., *window.slices)]


@pytest.mark.parametrize("semantics", GUIDES, ids=str)
@pytest.mark.parametrize("name", ["MSRResNet", "RRDBNet", "HAT"])
def test_the_whole_images_signals_change_nothing(name, semantics):
    network, lq = guided(name, **semantics), images(13, 18, count=2)
    with torch.no_grad():  # torch takes another path through an attention that is to be differentiated
        signals = network.signals(lq)
        expected = network(lq)
        assert torch.equal(network(lq, signals=signals), expected)
        assert torch.equal(network(lq, signals=signals.at(Window(height=13, width=18))), expected)


@pytest.mark.parametrize("semantics", GUIDES, ids=str)
@pytest.mark.parametrize(("top", "left"), [(0, 0), (5, 9), (21, 28), (8, 3)])
def test_units_of_a_tile_are_shown_the_crop_of_what_the_image_is(semantics, top, left):
    network, lq = guided(**semantics), images(HEIGHT, WIDTH)
    window = Window(top=top, left=left, height=16, width=16)
    signals = network.signals(lq)
    tile = tile_of(lq, window)
    of_image, of_tile = shown(network, lq), shown(network, tile, signals.at(window))
    assert len(of_image) == len(of_tile) == 2
    for whole, part in zip(of_image, of_tile, strict=True):
        np.testing.assert_allclose(part, whole[(..., *window.slices)], rtol=0, atol=2e-6)
    with torch.no_grad():
        assert not torch.equal(network(tile, signals=signals.at(window)), network(tile)), "a tile sees less by itself"


@pytest.mark.parametrize(("name", "stride"), [("MSRResNet", 1), ("RRDBNet", 2), ("HAT", 1)])
@pytest.mark.parametrize(("top", "left"), [(5, 9), (8, 4)])
def test_a_tile_between_cells_is_shown_what_lies_at_its_own_places(name, stride, top, left):
    network, lq = guided(name), images(HEIGHT, WIDTH)
    assert {output.stride for output in network.unit_outputs} == {stride}
    window = Window(top=top, left=left, height=16, width=16)
    maps = network.signals(lq).values.detach().numpy()
    extraction = network.guide.feature_extraction

    def places(begin, cells):  # in patches, counted from the centre of the first one
        return (begin + (np.arange(cells) + 0.5) * stride) * extraction.scale / extraction.patch_size - 0.5

    rows, columns = np.arange(maps.shape[2]), np.arange(maps.shape[3])
    for unit, part in enumerate(shown(network, tile_of(lq, window), network.signals(lq).at(window))):
        down = np.stack([np.interp(places(top, part.shape[2]), rows, column) for column in maps[0, unit].T], axis=1)
        expected = np.stack([np.interp(places(left, part.shape[3]), columns, row) for row in down])
        np.testing.assert_allclose(part[0, 0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("semantics", [{}, {"modules": "sfem+lmm"}], ids=str)
def test_a_batch_of_tiles_is_guided_as_each_by_itself(semantics):
    network, lq = guided(**semantics), images(HEIGHT, WIDTH)
    signals = network.signals(lq)
    windows = [Window(top=top, left=left, height=9, width=12) for top, left in ((0, 0), (11, 7), (28, 32))]
    with torch.no_grad():
        together = network(torch.cat([tile_of(lq, window) for window in windows]), signals=signals.at(*windows))
        alone = [network(tile_of(lq, window), signals=signals.at(window)) for window in windows]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


def test_one_window_of_several_images_and_one_of_each():
    network, lq = guided(), images(HEIGHT, WIDTH, count=2)
    signals = network.signals(lq)
    one, other = (Window(top=top, left=3, height=10, width=8) for top in (4, 17))
    with torch.no_grad():
        same = network(tile_of(lq, one), signals=signals.at(one))
        each = network(
            torch.cat([tile_of(lq[:1], one), tile_of(lq[1:], other)]),
            signals=signals.at(one, other),
        )
        second = network(tile_of(lq[1:], other), signals=network.signals(lq[1:]).at(other))
    torch.testing.assert_close(each, torch.cat([same[:1], second]), rtol=1e-5, atol=1e-5)


def test_the_guide_learns_from_tiles():
    network, lq = guided(), images(HEIGHT, WIDTH)
    window = Window(top=6, left=6, height=8, width=8)
    network(tile_of(lq, window), signals=network.signals(lq).at(window)).square().sum().backward()
    gradient = network.guide.localization.local_descriptors.grad
    assert gradient is not None and gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ([], "give one window or several of one size"),
        ([Window(height=4, width=4), Window(height=5, width=4)], "give one window or several of one size"),
        ([Window(top=34, height=4, width=4)], "reaches beyond the image"),
        ([Window(height=4, width=4)] * 3, "3 windows in 2 images; give one, or one of each image"),
    ],
)
def test_windows_that_are_not_of_the_images_are_refused(windows, message):
    signals = guided().signals(images(HEIGHT, WIDTH, count=2))
    with pytest.raises(ConfigError, match=message):
        signals.at(*windows)


@pytest.mark.parametrize("size", [(1, 9, 8), (2, 8, 8), (1, HEIGHT, WIDTH)])
def test_an_input_that_is_no_such_tile_is_refused(size):
    network = guided()
    signals = network.signals(images(HEIGHT, WIDTH)).at(Window(height=8, width=8))
    count, height, width = size
    words = f"they guide 1 images of 8x8 pixels, but the input is {count} of {height}x{width}."
    with pytest.raises(ConfigError, match=re.escape(words)):
        network(images(height, width, count=count), signals=signals)
    with pytest.raises(ConfigError, match="needs RGB"):
        network.signals(torch.rand(1, 1, 8, 8))
