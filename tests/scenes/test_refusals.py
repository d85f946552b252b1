"""What cannot be upscaled is refused at once, in a sentence that names the file and the remedy."""

import numpy as np
import pytest
import rasterio.shutil
from PIL import Image
from rasterio.enums import ColorInterp

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.source.description import describe_scene
from tests.scenes.rasters import write_raster
from tests.support import make_image

RGB = make_image(1, 40, 56).transpose(2, 0, 1)


def refusal(path, error=DataError, **asked):
    with pytest.raises(error) as caught:
        describe_scene(path, **asked)
    assert str(path) in str(caught.value)
    return str(caught.value).replace(str(path), "SRC")


def test_a_file_that_is_missing_names_the_nearest(tmp_path):
    write_raster(tmp_path / "field_2024.tif", RGB)
    assert refusal(tmp_path / "field_2042.tif").startswith("SRC does not exist; the nearest is field_2024.tif: ")
    assert refusal(tmp_path / "folder" / "s.tif") == "SRC does not exist"


def test_files_that_are_no_rasters_are_refused(tmp_path):
    (tmp_path / "s.tif").write_text("not an image")
    assert refusal(tmp_path / "s.tif").startswith("SRC: GDAL opens no raster there (")
    with pytest.raises(DataError, match=r"^/vsizip/none.zip/s.tif: GDAL opens no raster there \("):
        describe_scene("/vsizip/none.zip/s.tif")


def test_a_container_lists_what_it_holds(tmp_path):
    write_raster(tmp_path / "s.tif", RGB[:2])
    rasterio.shutil.copy(tmp_path / "s.tif", tmp_path / "s.nc", driver="netCDF")
    said = refusal(tmp_path / "s.nc")
    assert said == "SRC holds 2 rasters; name one of them:\n  netcdf:SRC:Band1\n  netcdf:SRC:Band2"
    scene = describe_scene(f"NETCDF:{tmp_path}/s.nc:Band2")
    assert (scene.height, scene.width, scene.network_bands) == (40, 56, (0,))


@pytest.mark.parametrize("layout", [{}, {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"}])
def test_a_tiff_that_is_cut_short_is_refused_at_once(tmp_path, layout):
    path = tmp_path / "s.tif"
    write_raster(path, RGB, **layout)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 500])
    assert refusal(path) == "SRC does not decode: it is cut short."


@pytest.mark.parametrize("orientation", [2, 3, 6])
@pytest.mark.parametrize("ending", ["jpg", "tif", "png"])
def test_images_that_are_stored_turned_are_refused(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"s.{ending}"
    Image.fromarray(np.ascontiguousarray(RGB.transpose(1, 2, 0))).save(path, exif=exif)
    assert f"SRC is stored turned or mirrored (EXIF orientation {orientation})" in refusal(path)
    assert "exif_transpose" in refusal(path)


def test_an_upright_image_is_taken_and_its_missing_place_said(tmp_path):
    path = tmp_path / "s.jpg"
    Image.fromarray(np.ascontiguousarray(RGB.transpose(1, 2, 0))).save(path)
    notes = describe_scene(path).notes
    assert notes == (f"{path} has no coordinate reference system; neither has what is made of it",)


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers_are_refused(tmp_path, dtype):
    path = tmp_path / "s.tif"
    write_raster(path, np.ones((1, 4, 4), dtype))
    assert refusal(path, value_range=(0, 1)).startswith(f"SRC: its values are complex numbers ({dtype})")


def test_types_that_a_network_cannot_be_given_are_refused(tmp_path):
    path = tmp_path / "s.tif"
    write_raster(path, np.ones((1, 4, 4), np.int64))
    assert refusal(path, value_range=(0, 1)) == (
        "SRC: values of type int64 are not upscaled, only uint8, uint16, int16, float32, int8, uint32, int32, float64; "
        "write them in one of these first: gdal_translate -ot Float32 SRC float.tif"
    )


@pytest.mark.parametrize("dtype", ["int8", "uint32", "int32", "float64"])
def test_types_that_need_a_range_are_upscaled_with_one(tmp_path, dtype):
    path = tmp_path / "s.tif"
    write_raster(path, np.arange(16).reshape(4, 4).astype(dtype))
    assert refusal(path).startswith(f"SRC: values of type {dtype} have no range") and "--range LO HI" in refusal(path)
    assert describe_scene(path, value_range=(0, 15)).radiometry.words == f"{dtype}, 0 to 15: --range"


def test_a_palette_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "s.png"
    Image.fromarray(np.ascontiguousarray(RGB.transpose(1, 2, 0))).quantize(16).save(path)
    assert refusal(path).endswith("first: gdal_translate -expand rgb SRC colours.tif")


def test_bands_of_several_types_are_named(tmp_path):
    write_raster(tmp_path / "a.tif", RGB)
    write_raster(tmp_path / "b.tif", RGB[:1].astype(np.uint16))
    sources = [("Byte", "a.tif", 1), ("Byte", "a.tif", 2), ("UInt16", "b.tif", 1), ("Byte", "a.tif", 3)]
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">{name}'
        f"</SourceFilename><SourceBand>{source}</SourceBand></SimpleSource></VRTRasterBand>"
        for band, (kind, name, source) in enumerate(sources, start=1)
    )
    path = tmp_path / "s.vrt"
    path.write_text(
        f'<VRTDataset rasterXSize="56" rasterYSize="40"><SRS>EPSG:32633</SRS><GeoTransform>0,1,0,0,0,-1</GeoTransform>'
        f"{bands}</VRTDataset>"
    )
    said = refusal(path, bands=[1, 2, 4])
    assert "its bands are of different types (1, 2, 4: uint8; 3: uint16)" in said and "--rest drop" in said
    assert describe_scene(path, bands=[1, 2, 4], rest="drop").indexes == (1, 2, 4)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ([1, 2, 4], "--bands 1 2 4: SRC has no band 4, but these 3:\n  1: no name (red)\n"),
        ([0], "--bands 0: SRC has no band 0"),
    ],
)
def test_bands_that_do_not_exist_are_refused(tmp_path, asked, said):
    path = tmp_path / "s.tif"
    write_raster(path, RGB, photometric="RGB")
    assert said in refusal(path, ConfigError, bands=asked)


@pytest.mark.parametrize("asked", [[], [1, 2], [1, 1, 2]])
def test_the_network_gets_one_band_or_three_different_ones(tmp_path, asked):
    with pytest.raises(ConfigError, match=r"^--bands .*: name three different bands for red, green and blue, or one"):
        describe_scene(write_raster(tmp_path / "s.tif", RGB), bands=asked)


@pytest.mark.parametrize(
    "colours",
    [
        [ColorInterp.hue, ColorInterp.saturation, ColorInterp.lightness],
        [ColorInterp.red, ColorInterp.green, ColorInterp.undefined],
        [ColorInterp.gray, ColorInterp.undefined],
    ],
)
def test_bands_of_other_colours_are_not_guessed(tmp_path, colours):
    path = tmp_path / "s.tif"
    write_raster(path, RGB[: len(colours)], colours=colours)
    assert f"like --bands 3 2 1. It has:\n  1: no name ({colours[0].name})\n" in refusal(path)


@pytest.mark.parametrize("overviews", [(), (2, 4)])
def test_a_raster_without_a_valid_pixel_is_refused(tmp_path, overviews):
    path, values = tmp_path / "s.tif", np.zeros((3, 3000, 700), np.uint8)
    write_raster(path, values, nodata=0, tiled=True, blockxsize=64, blockysize=64)
    if overviews:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews(overviews)
    assert refusal(path) == ("SRC: every pixel is invalid (no-data, masked, transparent or NaN): nothing to upscale")
    assert refusal(path, window=(0, 0, 9, 9)).endswith("nothing to upscale")
    values[1, 2999, 699] = 1  # a single one, in no block that is looked at and in no overview
    write_raster(path, values, nodata=0, tiled=True, blockxsize=64, blockysize=64)
    assert describe_scene(path).height == 3000


def test_an_image_of_nan_is_refused(tmp_path):
    path = tmp_path / "s.tif"
    write_raster(path, np.full((9, 9), np.nan, np.float32))
    assert refusal(path).endswith("nothing to upscale")


def test_floats_without_a_range_are_refused_where_they_are_not_0_to_1(tmp_path):
    path = tmp_path / "s.tif"
    write_raster(path, np.linspace(-1, 300, 400, dtype=np.float32).reshape(20, 20))
    assert refusal(path) == (
        "SRC: its floats go from -1 to 300 in the blocks that were looked at; what is 0 and 1 to the network is to be "
        "stated then: --range LO HI (--range 0 1 if a few values lie outside and may)"
    )


def test_scale_and_offset_that_do_not_give_0_to_1_are_refused(tmp_path):
    path = tmp_path / "s.tif"
    kelvin = np.linspace(100, 4000, 400).astype(np.uint16).reshape(20, 20)
    write_raster(path, kelvin, scales=[0.01], offsets=[273.15])
    assert "by its scale and offset, most of its values are not what a network takes, 0 to 1" in refusal(path)
    assert describe_scene(path, value_range=(0, 5000)).radiometry.low == (0,)
