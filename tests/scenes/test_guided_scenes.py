"""Rasters that a guided network upscales: by the tile and by the scene, and the raster of its maps."""

import numpy as np
import pytest
import rasterio
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes import upscale
from tests.guiding.bases import build, images
from tests.guiding.test_guided_network import shake
from tests.scenes.rasters import PLACE, write_raster


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(layouts, "BLOCK", 64)
    monkeypatch.setattr(layouts, "STRIP_BLOCKS", 2)


@pytest.fixture
def network():
    return shake(build("MSRResNet", 2)).eval()


def drawn(height, width):
    return (images(height, width)[0].numpy() * 65535).round().astype("uint16")


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


def in_one_piece(network, values):
    with torch.no_grad():
        return network(torch.from_numpy((values / 65535).astype("float32"))[None])[0]


def test_a_scene_of_one_tile_is_that_of_one_piece_by_either(tmp_path, network):
    values = drawn(40, 44)
    src = write_raster(tmp_path / "scene.tif", values)
    expected = (in_one_piece(network, values).double().clamp(0, 1).numpy() * 65535).round()
    for context in ("tile", "scene"):
        upscale(src, tmp_path / f"by_{context}.tif", network, tile=48, overlap=8, context=context)
        assert np.abs(read(tmp_path / f"by_{context}.tif") - expected).max() <= 1


def test_the_scene_guides_tiles_alike_however_it_is_cut(tmp_path, network, monkeypatch):
    src = write_raster(tmp_path / "scene.tif", drawn(70, 150))
    upscale(src, tmp_path / "strips.tif", network, tile=24, overlap=8, context="scene")
    upscale(src, tmp_path / "tile.tif", network, tile=24, overlap=8)
    monkeypatch.setattr(layouts, "STRIP_BLOCKS", 12)
    upscale(src, tmp_path / "whole.tif", network, tile=24, overlap=8, batch=5, context="scene")
    strips, whole, by_tile = (read(tmp_path / f"{name}.tif").astype(int) for name in ("strips", "whole", "tile"))
    assert np.abs(strips - whole).max() <= 1
    assert np.abs(strips - by_tile).max() > 20
    assert upscale(src, tmp_path / "strips.tif", network, tile=24, overlap=8, context="scene").skipped
    with pytest.raises(ConfigError):  # another result than what is there
        upscale(src, tmp_path / "strips.tif", network, tile=24, overlap=8)


def test_maps_that_cannot_be_written_are_refused_before_the_scene_is_upscaled(tmp_path, network):
    src = write_raster(tmp_path / "scene.tif", drawn(30, 30))
    (tmp_path / "there.tif").write_bytes(b"somebody's")
    for maps, message in (
        ("there.tif", "there.tif exists"),
        ("up.tif", "--maps .*up.tif: is the output"),
        ("maps.png", "PNG holds 1 to 4 bands"),
    ):
        with pytest.raises(ConfigError, match=message):
            upscale(src, tmp_path / "up.tif", network, maps=tmp_path / maps)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene.tif", "there.tif"]


@pytest.mark.parametrize("context", ["tile", "scene"])
def test_maps_are_a_raster_of_the_same_place_with_a_named_band_a_unit(tmp_path, network, context):
    values = drawn(50, 70).clip(1, None)
    values[:, 10:20, 30:45] = 0
    src = write_raster(tmp_path / "scene.tif", values, nodata=0)
    upscale(src, tmp_path / "up.tif", network, tile=24, overlap=8, context=context, maps=tmp_path / "maps.tif")
    with rasterio.open(tmp_path / "maps.tif") as maps:
        assert (maps.count, maps.height, maps.width) == (2, 50, 70) and set(maps.dtypes) == {"float32"}
        assert maps.descriptions == ("unit 1: body.0", "unit 2: body.1")
        assert maps.transform == PLACE and maps.crs.to_epsg() == 32633
        given = maps.read()
    hole = np.zeros((50, 70), bool)
    hole[10:20, 30:45] = True
    assert np.array_equal(np.isnan(given), np.broadcast_to(hole, given.shape))
    assert np.nanmax(np.abs(given)) <= 1 and np.nanstd(given[0]) > 1e-3


def test_maps_of_a_scene_of_one_view_are_those_of_one_piece(tmp_path, network):
    values = drawn(20, 24)
    src = write_raster(tmp_path / "scene.tif", values)
    upscale(src, tmp_path / "up.tif", network, tile=24, overlap=8, context="scene", maps=tmp_path / "maps.tif")
    expected = network.guidance_maps(torch.from_numpy((values / 65535).astype("float32"))[None])[0]
    np.testing.assert_allclose(read(tmp_path / "maps.tif"), expected.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("asked", [{"context": "scene"}, {"maps": "maps.tif"}], ids=str)
def test_what_a_network_has_no_guide_for_is_refused_before_anything_is_written(tmp_path, asked):
    src = write_raster(tmp_path / "scene.tif", drawn(20, 24))
    with pytest.raises(ConfigError, match=r"--context scene: Upsample has no|--maps: Upsample has no"):
        upscale(src, tmp_path / "up.tif", torch.nn.Upsample(scale_factor=2), **asked)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
