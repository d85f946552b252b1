import json
import pickle

import numpy as np
import pytest
from affine import Affine
from rasterio.enums import ColorInterp

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.windows import Window
from tests.scenes.rasters import PLACE, shared_raster, write_raster
from tests.support import make_image

RGB = make_image(1, 40, 56).transpose(2, 0, 1)
ALPHA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]


def roles(scene):
    return [(band.index, band.role) for band in scene.bands]


def test_a_raster_is_described(tmp_path):
    path = write_raster(tmp_path / "s.tif", RGB, photometric="RGB")
    scene = describe_scene(path)
    assert (scene.path, scene.region, scene.dtype) == (path, Window(height=40, width=56), "uint8")
    assert roles(scene) == [(1, "network"), (2, "network"), (3, "network")] and scene.network_bands == (0, 1, 2)
    assert scene.radiometry.words == "uint8, 0 to 255: range of the type" and scene.notes == ()
    assert scene.metadata.transform == PLACE and scene.metadata.is_rgb
    assert pickle.loads(pickle.dumps(scene)) == scene
    assert describe_scene(path) == scene


def test_the_identity_changes_with_all_that_changes_the_output(tmp_path):
    path = write_raster(tmp_path / "s.tif", RGB, nodata=255)
    other = write_raster(tmp_path / "t.tif", RGB, nodata=255)
    scenes = [
        describe_scene(path),
        describe_scene(other),
        describe_scene(path, window=(0, 0, 9, 9)),
        describe_scene(path, bands=[3, 2, 1]),
        describe_scene(path, bands=[1]),
        describe_scene(path, bands=[1], rest="drop"),
        describe_scene(path, value_range=(0, 100)),
    ]
    write_raster(path, RGB + 1, nodata=255)
    scenes.append(describe_scene(path))
    assert len({json.dumps(scene.identity) for scene in scenes}) == len(scenes)


def test_alpha_is_never_given_to_the_network(tmp_path):
    path = write_raster(tmp_path / "s.tif", make_image(1, 20, 20, 4).transpose(2, 0, 1), colours=ALPHA)
    assert roles(describe_scene(path)) == [(1, "network"), (2, "network"), (3, "network"), (4, "alpha")]
    grey = describe_scene(path, bands=[2], rest="drop")
    assert roles(grey) == [(2, "network"), (4, "alpha")] and grey.network_bands == (0,)
    with pytest.raises(ConfigError, match="--bands 4 2 1: band 4 of .*s.tif is alpha"):
        describe_scene(path, bands=[4, 2, 1])


def test_bands_are_found_by_their_colours(tmp_path):
    blue_first = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    path = write_raster(tmp_path / "s.tif", np.zeros((4, 9, 9), np.uint8), colours=blue_first)
    scene = describe_scene(path)
    assert scene.network_bands == (2, 1, 0)
    assert scene.notes == ("band 4: enlarged bicubically, without the network",)
    dropped = describe_scene(path, rest="drop")
    assert roles(dropped) == [(1, "network"), (2, "network"), (3, "network")]
    assert dropped.notes == ("band 4: left out",)


def test_three_bands_without_colours_are_taken_as_red_green_and_blue(tmp_path):
    scene = describe_scene(write_raster(tmp_path / "s.tif", RGB, photometric="MINISBLACK"))
    assert scene.network_bands == (0, 1, 2)
    assert scene.notes == (
        "bands 1, 2, 3 are taken as red, green and blue: the file does not say which colours they are",
    )


def test_one_band_is_grey(tmp_path):
    assert describe_scene(write_raster(tmp_path / "s.tif", RGB[0])).network_bands == (0,)


def test_bands_that_cannot_be_told_are_listed():
    with pytest.raises(
        DataError, match=r"naip_4band.tif: which .*--bands 3 2 1.*\n  1: no name \(gray\)\n.*\n.*\n  4: "
    ):
        describe_scene(shared_raster("naip_4band.tif"))
    assert describe_scene(shared_raster("naip_4band.tif"), bands=[3, 2, 1]).network_bands == (2, 1, 0)


def test_metadata_are_those_of_the_region_and_of_the_bands_that_are_kept(tmp_path):
    path = write_raster(tmp_path / "s.tif", make_image(1, 20, 20, 4).transpose(2, 0, 1), colours=ALPHA)
    metadata = describe_scene(path, bands=[2], rest="drop", window=(3, 4, 5, 6)).metadata
    assert metadata.colours == (ColorInterp.green, ColorInterp.alpha)
    assert metadata.transform == PLACE @ Affine.translation(3, 4)
