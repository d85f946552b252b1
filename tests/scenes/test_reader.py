import threading
import warnings

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from segsr_arch.errors import DataError
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.scenes.source.rasters import bounded_cache
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.upscaling import upscale
from segsr_arch.windows import Window
from tests.scenes.rasters import shared_raster, write_raster
from tests.support import make_image

RGBA = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
BANDS = make_image(5, 40, 56, 4).transpose(2, 0, 1)


def read(path, **asked):
    scene = describe_scene(path, **asked)
    with SceneReader(scene) as reader:
        return reader.read(Window(height=scene.height, width=scene.width))


@pytest.fixture(scope="module")
def tiled(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiled") / "s.tif"
    layout = {"photometric": "MINISBLACK", "tiled": True, "blockxsize": 16, "blockysize": 16}
    return write_raster(path, BANDS, nodata=int(BANDS[0, 0, 0]), **layout)


@settings(max_examples=30)
@given(data=st.data())
def test_a_window_holds_its_pixels_of_the_region(tiled, data):
    column, row = data.draw(st.integers(0, 50)), data.draw(st.integers(0, 30))
    width, height = data.draw(st.integers(1, 56 - column)), data.draw(st.integers(1, 40 - row))
    scene = describe_scene(tiled, window=(column, row, width, height), bands=[4, 2, 1])
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = Window(
        top=top,
        left=left,
        height=data.draw(st.integers(1, height - top)),
        width=data.draw(st.integers(1, width - left)),
    )
    with SceneReader(scene) as reader:
        pixels = reader.read(window)
    expected = BANDS[:, row:, column:][:, :height, :width][(..., *window.slices)]
    assert np.array_equal(pixels.values, expected)
    assert np.array_equal(pixels.valid, expected != BANDS[0, 0, 0])


def test_all_pixels_are_valid_where_nothing_says_otherwise(tmp_path):
    pixels = read(write_raster(tmp_path / "s.tif", BANDS[:3], photometric="RGB"))
    assert pixels.all_valid and pixels.valid.shape == (3, 40, 56)


def test_transparent_pixels_are_invalid_and_alpha_is_not(tmp_path):
    values = BANDS.copy()
    values[3] = 255
    values[3, 3:9, 4:7], values[3, 20, 20] = 0, 1
    pixels = read(write_raster(tmp_path / "s.tif", values, colours=RGBA))
    expected = np.ones((4, 40, 56), bool)
    expected[:3, 3:9, 4:7] = False
    assert np.array_equal(pixels.valid, expected)


def test_transparent_pixels_are_invalid_beside_a_nodata_value_too(tmp_path):
    values = np.full((4, 2, 3), 9, np.uint8)
    values[:, 0, 0], values[3, 1, 1] = 7, 0
    pixels = read(write_raster(tmp_path / "s.tif", values, colours=RGBA, nodata=7))
    expected = np.ones((4, 2, 3), bool)
    expected[:3, 0, 0] = expected[:3, 1, 1] = False
    assert np.array_equal(pixels.valid, expected)


def test_a_mask_goes_before_the_nodata_value(tmp_path):
    mask = np.eye(40, 56, dtype=bool)
    path = write_raster(tmp_path / "s.tif", np.full((3, 40, 56), 7, np.uint8), nodata=7, mask=mask)
    assert np.array_equal(read(path).valid, np.broadcast_to(mask, (3, 40, 56)))
    assert [band.nodata for band in describe_scene(path).bands] == [None] * 3


def test_pixels_that_are_nodata_in_all_bands_are_invalid_where_the_file_says_so(tmp_path):
    values = np.array([[[0, 0, 1]], [[0, 5, 1]], [[0, 0, 1]]], np.uint8)
    path = write_raster(tmp_path / "s.tif", values, photometric="RGB", tags={"NODATA_VALUES": "0 0 0"})
    assert np.array_equal(read(path).valid, np.broadcast_to([[False, True, True]], (3, 1, 3)))


def test_bands_have_nodata_values_of_their_own(tmp_path):
    write_raster(tmp_path / "s.tif", BANDS[:2])
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><NoDataValue>{nodata}</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">s.tif</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource>'
        f"</VRTRasterBand>"
        for band, nodata in ((1, BANDS[0, 5, 5]), (2, BANDS[1, 7, 7]))
    )
    (tmp_path / "s.vrt").write_text(
        f'<VRTDataset rasterXSize="56" rasterYSize="40"><SRS>EPSG:32633</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform>'
        f"{bands}</VRTDataset>"
    )
    pixels = read(str(tmp_path / "s.vrt"), bands=[1])
    assert np.array_equal(pixels.valid[0], BANDS[0] != BANDS[0, 5, 5])
    assert np.array_equal(pixels.valid[1], BANDS[1] != BANDS[1, 7, 7])


@pytest.mark.parametrize("nodata", [None, float("nan"), -9999.0, 0.25, 0.0])
def test_floats_that_are_no_numbers_are_invalid_whatever_the_nodata_value(tmp_path, nodata):
    values = np.array([[0.5, np.nan, np.inf, -np.inf, -9999.0, np.nextafter(-9999.0, 0), 0.25, 0.0]], np.float32)
    path = write_raster(tmp_path / "s.tif", values, nodata=nodata)
    with rasterio.open(path) as dataset:
        expected = np.isfinite(values) & (dataset.read_masks(1) != 0)
    pixels = read(path, value_range=(0, 1))
    assert np.array_equal(pixels.valid[0], expected)
    assert np.array_equal(pixels.values[0], values, equal_nan=True)


@pytest.mark.parametrize("name", ["RGB.byte.tif", "mosaic_uint16.tif", "pix4d_alpha_nodata.tif", "nodata_nan.tif"])
def test_what_is_valid_in_rasters_of_others_is_what_gdal_says(name):
    path = shared_raster(name)
    pixels = read(path, value_range=(0, 255))
    with rasterio.open(path) as dataset:
        expected = (dataset.read_masks() != 0) & np.isfinite(dataset.read())
    assert np.array_equal(pixels.valid, expected) and not pixels.all_valid


def test_floats_outside_of_0_to_1_are_refused_wherever_they_are_read(tmp_path):
    values = np.full((2000, 2000), 0.5, np.float32)
    values[1499, 1499] = 1.5  # where no block that is looked at lies
    path = write_raster(tmp_path / "s.tif", values, tiled=True, blockxsize=256, blockysize=256)
    with SceneReader(describe_scene(path, window=(100, 0, 1800, 2000))) as reader:
        reader.read(Window(height=64, width=64))
        with pytest.raises(
            DataError, match=r"s.tif: its floats go from 0.5 to 1.5 in rows 1490 to 1509 of columns 1480"
        ):
            reader.read(Window(top=1490, left=1380, height=20, width=60))
    assert read(path, value_range=(0, 1)).values.max() == 1.5


def test_what_cannot_be_read_is_named_with_its_place(tmp_path):
    path = tmp_path / "s.tif"
    noise = np.random.default_rng(0).integers(0, 256, (256, 256), dtype=np.uint8)
    write_raster(path, noise, tiled=True, blockxsize=64, blockysize=64, compress="deflate")
    scene = describe_scene(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    with (
        SceneReader(scene) as reader,
        pytest.raises(DataError, match=r"s.tif: rows 64 to 191 of columns 0 to 255 cannot"),
    ):
        reader.read(Window(top=64, height=128, width=256))


def test_a_file_without_place_gives_no_warning_in_any_thread(tmp_path):
    scene = describe_scene(write_raster(tmp_path / "s.png", BANDS[:3], driver="PNG", crs=None, transform=None))
    caught = []

    def read_often():
        with warnings.catch_warnings(record=True) as found:
            for _ in range(5):
                with SceneReader(scene) as reader:
                    reader.read(Window(height=40, width=56))
        caught.extend(found)

    threads = [threading.Thread(target=read_often) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert caught == []


def cache_bytes():
    return rasterio.env.get_gdal_config("GDAL_CACHEMAX")


def test_memory_for_decoded_blocks_is_bounded_in_all_threads_and_as_it_was_afterwards():
    before, inside = cache_bytes(), []
    with bounded_cache():
        with bounded_cache():
            pass
        thread = threading.Thread(target=lambda: inside.append(cache_bytes()))
        thread.start()
        thread.join()
    assert inside == [24_000_000] and cache_bytes() == before


def test_it_is_bounded_while_a_scene_is_upscaled(tmp_path):
    before, inside = cache_bytes(), []

    def doubled(images):
        inside.append(cache_bytes())
        return images.repeat_interleave(2, 2).repeat_interleave(2, 3)

    upscale(write_raster(tmp_path / "s.tif", BANDS[:3], photometric="RGB"), tmp_path / "d.tif", doubled)
    assert inside[-1] == 24_000_000 and cache_bytes() == before  # the first call tries the scale
