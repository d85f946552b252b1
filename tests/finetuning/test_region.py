"""Rasters and images of a region, as tiles of 8 bits."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from affine import Affine
from rasterio.enums import ColorInterp

from segsr_arch.errors import DataError
from segsr_arch.finetuning.region import RegionOptions, cut_region, find_region
from tests.scenes import rasters
from tests.scenes.rasters import shared_raster
from tests.support import make_image, write_image

FOUR = [ColorInterp.gray, *3 * [ColorInterp.undefined]]
OPTIONS = RegionOptions(tile=32, least=16, val=0.1, seed=0, most_train=1000, most_val=100)


def find(path, *, bands=None, value_range=None, skip_unfit=False):
    return find_region(path, bands=bands, value_range=value_range, skip_unfit=skip_unfit)


def write_raster(path, values, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    return rasters.write_raster(path, values, **profile)


def lively(height, width, channels=3, seed=0):
    return make_image(seed, height, width, channels).transpose(2, 0, 1)


def tiles_in(folder):
    return {path.stem: cv2.imread(str(path))[:, :, ::-1] for path in folder.rglob("*.png")}


def test_tiles_are_the_pixels_of_the_raster_and_those_with_nodata_or_nothing_to_see_are_left_out(tmp_path):
    values = np.random.default_rng(0).integers(1, 256, (3, 256, 256), dtype=np.uint8)
    values[:, 5, 5] = 0
    values[:, :32, 64:96] = 100
    values[:, :8, 96:128] = 255
    write_raster(tmp_path / "in/scene.tif", values, nodata=0)
    region = find(tmp_path / "in")
    cut = cut_region(region, OPTIONS, tmp_path / "tiles")
    found = tiles_in(tmp_path / "tiles")
    assert {tile.name for tile in (*cut.division.train, *cut.division.val)} == set(found)
    assert not {"scene_0_0", "scene_0_64", "scene_0_96"} & set(found)
    for tile in (*cut.division.train, *cut.division.val):
        rows, columns = tile.window.slices
        assert np.array_equal(found[tile.name].transpose(2, 0, 1), values[:, rows, columns])
    assert {path.parent.name for path in (tmp_path / "tiles").rglob("*.png")} == {"train", "val"}
    assert cut.left_out["beside a place of validation"] == cut.division.near
    assert sum(cut.left_out.values()) + len(found) == 64
    reasons = ("with no-data", "flat", "with black or white areas")
    assert sum(cut.left_out.get(reason, 0) for reason in reasons) <= 3
    assert any("split by place" in line for line in cut.words(region, OPTIONS))


@pytest.fixture
def mixed(tmp_path):
    """A folder with three rasters that do not fit, and small images that do."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        write_image(folder / f"small/{number}.png", make_image(number, 40, 40))
    write_raster(folder / "deep.tif", (lively(64, 64).astype(np.uint16) * 10))
    write_raster(folder / "four.tif", lively(64, 64, 4), colours=FOUR)
    write_raster(folder / "float.tif", lively(64, 64).astype(np.float32))
    return folder


def test_files_that_do_not_fit_are_all_named_with_what_to_do(mixed):
    with pytest.raises(DataError, match="3 of 15 files are not what the network takes") as caught:
        find(mixed)
    said = str(caught.value)
    assert "deep.tif: its values are uint16, and the network is trained on 8 bits" in said and "--range LO HI" in said
    assert "four.tif: which of its bands are red, green and blue cannot be told; say it, like --bands 3 2 1" in said
    assert "float.tif: its floats go from" in said and "--skip-unfit" in said


def test_files_that_do_not_fit_are_left_out_if_that_is_asked_for(mixed, tmp_path):
    region = find(mixed, skip_unfit=True)
    assert len(region.scenes) == 12 and len(region.left_out) == 3
    cut = cut_region(region, OPTIONS, tmp_path / "tiles")
    assert (len(cut.division.train), len(cut.division.val)) == (10, 2)
    assert cut.words(region, OPTIONS)[0].startswith("12 small images: 10 tiles for training, 2 for validation")


def test_bands_and_range_make_deep_rasters_fit_and_leave_8_bits_as_they_are(tmp_path):
    deep = np.random.default_rng(0).integers(0, 3001, (4, 128, 128), dtype=np.uint16)
    shallow = np.random.default_rng(1).integers(0, 256, (4, 128, 128), dtype=np.uint8)
    write_raster(tmp_path / "in/deep.tif", deep, transform=None, crs=None, colours=FOUR)
    write_raster(tmp_path / "in/shallow.tif", shallow, transform=None, crs=None, colours=FOUR)
    region = find(tmp_path / "in", bands=[3, 2, 1], value_range=[0, 2000])
    cut = cut_region(region, OPTIONS, tmp_path / "tiles")
    found = tiles_in(tmp_path / "tiles")
    assert {tile.source for tile in cut.division.train} == {"deep", "shallow"}
    for tile in cut.division.train:
        rows, columns = tile.window.slices
        source = (deep if tile.source == "deep" else shallow)[[2, 1, 0], rows, columns].astype(float)
        wanted = np.rint(np.clip(source / 2000, 0, 1) * 255) if tile.source == "deep" else source
        assert np.abs(found[tile.name].transpose(2, 0, 1) - wanted).max() <= (tile.source == "deep")


def test_the_same_ground_across_the_180th_meridian_is_not_seen_from_both_sides(tmp_path):
    across = Affine.translation(3_339_584 - 1280, 1280) * Affine.scale(10, -10)  # of which 180 degrees are the middle
    for name in ("one", "two"):
        write_raster(tmp_path / f"in/{name}.tif", lively(256, 256), crs="EPSG:3832", transform=across)
    cut = cut_region(find(tmp_path / "in"), OPTIONS, tmp_path / "tiles")
    places = {tile.window for tile in cut.division.val}
    assert len(cut.division.train) >= 8 and places.isdisjoint(tile.window for tile in cut.division.train)


def test_a_raster_in_a_system_of_its_own_lies_nowhere(tmp_path, capfd):
    local = 'LOCAL_CS["Local Coordinates (m)",UNIT["metre",1]]'
    for name in ("one", "two"):
        write_raster(tmp_path / f"in/{name}.tif", lively(256, 256), crs=local)
    cut = cut_region(find(tmp_path / "in"), OPTIONS, tmp_path / "tiles")
    assert {tile.source for tile in cut.division.train} == {"one", "two"}
    assert "ERROR" not in capfd.readouterr().err


def test_tiles_and_small_images_of_one_name_are_told_apart(tmp_path):
    write_raster(tmp_path / "in/scene.tif", lively(160, 160))
    for row in range(0, 160, 32):
        for column in range(0, 160, 32):
            write_image(tmp_path / f"in/scene_{row}_{column}.png", make_image(row + column, 40, 40))
    cut = cut_region(find(tmp_path / "in"), OPTIONS, tmp_path / "tiles")
    tiles = [*cut.division.train, *cut.division.val]
    assert len(tiles) + cut.division.near == 50 and len({tile.name for tile in tiles}) == len(tiles)
    assert len(tiles_in(tmp_path / "tiles")) == len(tiles)


def test_grey_images_are_three_equal_bands(tmp_path):
    for number in range(12):
        values = np.random.default_rng(number).integers(1, 255, (1, 40, 40), dtype=np.uint8)
        write_raster(tmp_path / f"in/{number}.tif", values, crs=None, transform=None)
    cut_region(find(tmp_path / "in"), OPTIONS, tmp_path / "tiles")
    for image in tiles_in(tmp_path / "tiles").values():
        assert np.array_equal(image[..., 0], image[..., 2]) and image.shape == (40, 40, 3)


def test_too_few_tiles_are_refused_with_what_would_help(tmp_path):
    write_raster(tmp_path / "in/scene.tif", lively(96, 96))
    with pytest.raises(DataError, match=r"are too few; 8 and 2 are needed.*cut smaller tiles than --tile 32"):
        cut_region(find(tmp_path / "in"), OPTIONS, tmp_path / "tiles")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no raster or image"):
        find(tmp_path / "empty")
    with pytest.raises(DataError, match="no such folder or raster"):
        find(tmp_path / "nowhere")


def test_the_dark_border_of_a_raster_of_others_is_left_out(tmp_path):
    region = find(Path(shared_raster("RGB.byte.tif")))
    cut = cut_region(region, RegionOptions(**{**vars(OPTIONS), "tile": 32}), tmp_path / "tiles")
    assert cut.left_out["with no-data"] > 0 and len(cut.division.train) > 20
    assert all(image.min() > 0 or image.max() > 0 for image in tiles_in(tmp_path / "tiles").values())
