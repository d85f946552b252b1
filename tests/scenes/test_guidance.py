"""Guided networks on scenes: what `--context` and `--maps` do to them, and whom they refuse."""

import pytest
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.scenes.network.backends import BackendChoice
from segsr_arch.scenes.network.guidance import maps_model, with_context
from segsr_arch.scenes.network.networks import NetworkModel, as_scene_model
from segsr_arch.scenes.network.scene_signals import SceneSignals, Views
from segsr_arch.scenes.network.symmetries import turned
from segsr_arch.windows import Window
from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake
from tests.guiding.test_signals import tile_of

VIEWS = Views(size=16, overlap=8, neighbourhood=24)
TILES = [Window(top=4, left=left, height=16, width=16) for left in (0, 12, 20)]


def guided(**semantics):
    return shake(build("MSRResNet", 2, **semantics)).eval()


def bicubic(tiles):
    return torch.nn.functional.interpolate(tiles, scale_factor=2, mode="bicubic")


def on(model, image):
    return model.for_scene(lambda window: tile_of(image, window), height=image.shape[-2], width=image.shape[-1])


def cut(image, windows=TILES):
    return torch.stack([tile_of(image, window) for window in windows])


def test_by_the_tile_the_model_is_what_it_was():
    model = as_scene_model(guided())
    assert with_context(model, "tile") is model
    plain = as_scene_model(bicubic)
    assert with_context(plain, "tile") is plain


def test_a_scene_of_one_view_is_upscaled_as_in_one_piece():
    network, image = guided(), images(16, 24)[0]
    model = on(with_context(as_scene_model(network), "scene"), image)
    with torch.no_grad():
        expected = network(image[None])
    assert torch.equal(model(image[None], [Window(height=16, width=24)]), expected)
    assert (model.scale, model.extra, model.name) == (2, 0, "SemanticSR")


def test_the_scene_guides_tiles_whatever_their_company():
    network, image = guided(), images(24, 40)[0]
    model = on(with_context(as_scene_model(network), "scene", views=VIEWS), image)
    together = model(cut(image), TILES)
    alone = torch.cat([model(cut(image, [tile]), [tile]) for tile in reversed(TILES)]).flip(0)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)
    by_tile = as_scene_model(network)(cut(image), TILES)
    assert (together - by_tile).abs().max() > 1e-3
    again = on(with_context(as_scene_model(network), "scene", views=VIEWS), image)
    assert torch.equal(again(cut(image), TILES), together)


def test_what_lies_around_a_tile_changes_it():
    model, image = with_context(as_scene_model(guided()), "scene", views=VIEWS), images(24, 40)[0]
    other = image.clone()
    other[..., 30:] = other[..., 30:].flip(-1)
    first = [on(model, scene)(cut(image, TILES[:2]), TILES[:2]) for scene in (image, other)]
    assert (first[0] - first[1]).abs().max() > 1e-4


@pytest.mark.parametrize("symmetry", [1, 4, 7])
def test_turned_tiles_are_guided_by_turned_signals(symmetry):
    network, image = guided(), images(24, 40)[0]
    model = on(with_context(as_scene_model(network), "scene", views=VIEWS), image)
    tiles = turned(cut(image), symmetry)
    signals = SceneSignals(network.guide, lambda window: tile_of(image, window), height=24, width=40, views=VIEWS)
    with torch.no_grad():
        expected = network(tiles, signals=signals.at(TILES, symmetry=symmetry))
    given = model(tiles, TILES, symmetry=symmetry)
    assert torch.equal(given, expected) and not torch.equal(model(tiles, TILES), expected)


def test_a_job_goes_on_with_what_it_was_begun_with():
    model = as_scene_model(guided())
    identities = [model.identity, with_context(model, "scene").identity]
    identities.append(with_context(model, "scene", views=VIEWS).identity)
    assert all(identities.count(identity) == 1 for identity in identities)


def test_a_scene_must_be_told():
    model = with_context(as_scene_model(guided()), "scene")
    with pytest.raises(ConfigError, match="must be told it: call for_scene first"):
        model(torch.rand(1, 3, 16, 16), [Window(height=16, width=16)])


@pytest.mark.parametrize("model", [bicubic, torch.nn.Upsample(scale_factor=2)], ids=["function", "module"])
def test_what_has_no_guide_is_refused(model):
    model = as_scene_model(model, name="their own", scale=2)
    with pytest.raises(ConfigError, match="--context scene: their own has no semantic guide that could be shown"):
        with_context(model, "scene")
    with pytest.raises(ConfigError, match="--maps: their own has no guidance maps. Leave --maps out"):
        maps_model(model)


def test_a_backend_that_cannot_be_shown_the_scene_is_refused_and_the_fastest_is_torch():
    network, image = guided(), images(24, 40)[0]
    models = {
        wanted: BackendChoice(
            NetworkModel(network, name="own", scale=2, identity={}, module=network),
            reference="torch",
            others=("openvino",),
            make=lambda names: pytest.fail("no program is made"),
            wanted=wanted,
            tile=TileOptions(),
        )
        for wanted in ("openvino", "auto")
    }
    with pytest.raises(ConfigError, match="openvino runs own as a program .* Use --backend torch, or leave --context"):
        with_context(as_scene_model(models["openvino"]), "scene")
    given = on(with_context(as_scene_model(models["auto"]), "scene", views=VIEWS), image)(cut(image), TILES)
    by_torch = on(with_context(as_scene_model(network), "scene", views=VIEWS), image)(cut(image), TILES)
    assert torch.equal(given, by_torch)


def test_other_contexts_are_refused():
    with pytest.raises(ConfigError, match="--context: 'world' is not known; use tile or scene"):
        with_context(as_scene_model(bicubic, scale=2), "world")


def test_a_guide_without_maps_sees_the_scene_but_gives_no_maps():
    network, image = guided(modules="sfem+lmm"), images(24, 40)[0]
    model = with_context(as_scene_model(network), "scene", views=VIEWS)
    assert on(model, image)(cut(image), TILES).shape == (3, 3, 32, 32)
    with pytest.raises(ConfigError, match=r"--maps: SemanticSR has no guidance maps. .*sfem\+slm\+lmm"):
        maps_model(model)


def test_maps_of_tiles_are_those_that_the_network_gives():
    network, image = guided(), images(24, 40)[0]
    maps = maps_model(as_scene_model(network))
    assert maps.names == ("unit 1: body.0", "unit 2: body.1") and maps.scale == 1
    assert torch.equal(on(maps, image)(cut(image), TILES), network.guidance_maps(cut(image)))


@pytest.mark.parametrize("context", ["tile", "scene"])
def test_maps_that_the_guide_standardises_are_not_cut(context):
    network, image = guided(standardised_maps=True, map_floor=1e-4), images(24, 40)[0]
    maps = maps_model(with_context(as_scene_model(network), context))
    assert maps.names == ("unit 1: body.0 (standardised)", "unit 2: body.1 (standardised)")
    given = on(maps, image)(image[None], [Window(height=24, width=40)])
    with torch.no_grad():
        expected = network.guide.resize(network.guide(image[None]), (24, 40))
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-4)
    assert given.max() > 1 and given.min() < -1


def test_maps_of_a_scene_are_one_field():
    network, image = guided(), images(24, 40)[0]
    maps = on(maps_model(with_context(as_scene_model(network), "scene", views=VIEWS)), image)
    given = maps(cut(image), TILES)
    assert given.shape == (3, 2, 16, 16) and given.dtype == torch.float32 and given.abs().max() <= 1
    torch.testing.assert_close(given[0, ..., 12:], given[1, ..., :4], rtol=0, atol=1e-5)
    torch.testing.assert_close(given[1, ..., 8:], given[2, ..., :8], rtol=0, atol=1e-5)
    one = on(maps_model(with_context(as_scene_model(network), "scene")), image)
    expected = network.guidance_maps(image[None])
    torch.testing.assert_close(one(image[None], [Window(height=24, width=40)]), expected, rtol=0, atol=1e-5)


def test_maps_of_a_scene_need_it():
    maps = maps_model(with_context(as_scene_model(guided()), "scene"))
    with pytest.raises(ConfigError, match="maps are those of a scene: call for_scene first"):
        maps(torch.rand(1, 3, 16, 16), [Window(height=16, width=16)])
