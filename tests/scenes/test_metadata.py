"""What a raster says about its pixels, at another scale, written and read again."""

import dataclasses
import pickle

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import RPCTransformer

from segsr_arch.scenes.output.metadata import BandMetadata, SceneMetadata, read_metadata
from segsr_arch.windows import Window
from tests.scenes.jobs import random_values, write_tiled
from tests.support import SHARED_DATA

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
UTM = CRS.from_epsg(32633)
NORTH_UP = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 5000000.0)
ROTATED = Affine(10.0, 1.25, 500000.0, 2.75, -10.0, 5000000.0)
SHAPE = (4, 20, 30)


def bands(**settings):
    return tuple(BandMetadata(**settings) for _ in range(SHAPE[0]))


def written(folder, metadata, *, scale=1, **settings):
    """What is read of a raster that was written with this metadata, enlarged."""
    count, height, width = SHAPE
    values = random_values(0, (count, height * scale, width * scale), settings.pop("dtype", "uint8"))
    write_tiled(folder / "made.tif", values, block=32, metadata=metadata.scaled(scale), **settings)
    with rasterio.open(folder / "made.tif") as dataset:
        assert np.array_equal(dataset.read(), values)
        region = Window(height=dataset.height, width=dataset.width)
        return read_metadata(dataset, region=region, bands=range(1, count + 1))


@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED, Affine(1.0, 0.0, 7.0, 0.0, 1.0, 9.0)])
@pytest.mark.parametrize("kind", ["Area", "Point"])
def test_all_six_coefficients_scale_and_bounds_stay(tmp_path, transform, kind):
    metadata = SceneMetadata(crs=UTM, transform=transform, tags={"": {"AREA_OR_POINT": kind}}, bands=bands())
    back = written(tmp_path, metadata, scale=3)
    a, b, c, d, e, f = transform[:6]
    assert back.transform[:6] == pytest.approx((a / 3, b / 3, c, d / 3, e / 3, f), abs=1e-9)
    assert back.crs == UTM
    assert back.tags[""]["AREA_OR_POINT"] == kind
    for corner in ((0, 0), (30, 0), (0, 20), (30, 20)):
        place = back.transform @ (corner[0] * 3, corner[1] * 3)
        assert place == pytest.approx(transform @ corner, abs=1e-8)


@given(
    coefficients=st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6),
    scale=st.integers(1, 16),
    left=st.integers(0, 999),
    top=st.integers(0, 999),
)
def test_a_region_enlarged_lies_where_it_lay(coefficients, scale, left, top):
    transform = Affine(*coefficients)
    metadata = SceneMetadata(transform=transform, bands=bands())
    changed = metadata.within(Window(left=left, top=top, height=7, width=5)).scaled(scale)
    largest = 1e-9 * max(map(abs, coefficients)) * 1e3 + 1e-9
    for column, row in ((0, 0), (5, 7), (2.5, 3)):
        there = changed.transform @ (column * scale, row * scale)
        assert there == pytest.approx(transform @ (left + column, top + row), abs=largest)


def test_ground_control_points_move_with_their_pixels(tmp_path):
    points = [(0.0, 0.0), (0.0, 29.5), (19.0, 0.0), (12.25, 7.5)]
    gcps = tuple(
        GroundControlPoint(row=row, col=column, x=10 + column / 7, y=50 - row / 7, z=3.5) for row, column in points
    )
    metadata = SceneMetadata(gcps=gcps, gcps_crs=CRS.from_epsg(4326), bands=bands())
    back = written(tmp_path, metadata.within(Window(top=4, left=2, height=20, width=30)), scale=2)
    assert [(point.row, point.col) for point in back.gcps] == [
        ((row - 4) * 2, (column - 2) * 2) for row, column in points
    ]
    assert [(point.x, point.y, point.z) for point in back.gcps] == [(point.x, point.y, point.z) for point in gcps]
    assert back.gcps_crs == CRS.from_epsg(4326)
    assert back.transform is None


def rpcs():
    coefficients = {
        f"{name}_coeff": [value, *(0.001 + 0.0001 * np.arange(19)).round(4).tolist()]
        for name, value in (("line_num", 0.0), ("line_den", 1.0), ("samp_num", 0.0), ("samp_den", 1.0))
    }
    coefficients["line_num_coeff"][2] = -1.0
    coefficients["samp_num_coeff"][1] = 1.0
    return RPC(
        height_off=100.0, height_scale=500.0, lat_off=40.0, lat_scale=0.05, long_off=10.0, long_scale=0.06,
        line_off=9.5, line_scale=10.0, samp_off=14.5, samp_scale=15.0, err_bias=1.5, err_rand=0.5, **coefficients,
    )  # fmt: skip


def test_rational_polynomials_find_the_same_place_in_the_smaller_pixels(tmp_path):
    region, scale = Window(top=3, left=5, height=20, width=30), 4
    metadata = SceneMetadata(rpcs=rpcs(), bands=bands())
    back = written(tmp_path, metadata.within(region), scale=scale)
    assert back.rpcs.line_scale == 40.0
    assert back.rpcs.samp_scale == 60.0
    assert back.rpcs.line_off == (9.5 - 3 + 0.5) * 4 - 0.5
    assert back.rpcs.samp_off == (14.5 - 5 + 0.5) * 4 - 0.5
    assert (back.rpcs.err_bias, back.rpcs.err_rand) == (1.5, 0.5)
    assert back.rpcs.line_num_coeff == rpcs().line_num_coeff
    with RPCTransformer(rpcs()) as coarse, RPCTransformer(back.rpcs) as fine:
        for longitude, latitude in ((9.98, 40.01), (10.02, 39.98)):
            rows, columns = coarse.rowcol(longitude, latitude, zs=100.0, op=float)
            fine_rows, fine_columns = fine.rowcol(longitude, latitude, zs=100.0, op=float)
            assert (fine_rows, fine_columns) == pytest.approx(((rows - 3) * 4, (columns - 5) * 4), abs=1e-3)


def test_tags_of_all_name_spaces_stay_and_what_was_computed_goes(tmp_path):
    tags = {
        "": {"SENSOR": "a=b", "ü": "ö", "TIFFTAG_SOFTWARE": "camera", "TIFFTAG_DATETIME": "2020:01:02 03:04:05"},
        "MINE": {"key": "value"},
        "EXIF": {"EXIF_Make": "maker"},
    }
    with rasterio.open(tmp_path / "src.tif", "w", "GTiff", 30, 20, 1, UTM, NORTH_UP, "uint8") as dataset:
        for space, items in tags.items():
            dataset.update_tags(ns=space or None, **items)
        dataset.update_tags(OVR_RESAMPLING_ALG="NEAREST")
        dataset.update_tags(1, STATISTICS_MEAN="12", WAVELENGTH="490")
        dataset.update_tags(1, ns="MINE", gain="2")
    with rasterio.open(tmp_path / "src.tif") as dataset:
        read = read_metadata(dataset, region=Window(height=20, width=30), bands=[1])
    metadata = dataclasses.replace(read, bands=read.bands * 4)
    back = written(tmp_path, metadata)
    assert back.tags == {**tags, "": {**tags[""], "AREA_OR_POINT": "Area"}}
    assert [band.tags for band in back.bands] == [{"": {"WAVELENGTH": "490"}, "MINE": {"gain": "2"}}] * 4


def test_names_units_scales_and_offsets_of_bands_stay(tmp_path):
    described = tuple(
        BandMetadata(description=f"B0{number}", scale=0.0001 * number, offset=-0.1 * number, unit=f"W{number}")
        for number in range(1, 5)
    )
    back = written(tmp_path, SceneMetadata(bands=described), dtype="int16", scale=2)
    assert [band.description for band in back.bands] == ["B01", "B02", "B03", "B04"]
    assert [band.scale for band in back.bands] == [0.0001 * number for number in range(1, 5)]
    assert [band.offset for band in back.bands] == [-0.1 * number for number in range(1, 5)]
    assert [band.unit for band in back.bands] == ["W1", "W2", "W3", "W4"]


COLOURS = [
    (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha),
    (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.undefined),
    (ColorInterp.gray, ColorInterp.undefined, ColorInterp.undefined, ColorInterp.alpha),
    (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.gray),
    (ColorInterp.gray, ColorInterp.alpha, ColorInterp.undefined, ColorInterp.undefined),
]


@pytest.mark.parametrize("colours", COLOURS)
def test_colours_stay(tmp_path, colours):
    metadata = SceneMetadata(bands=tuple(BandMetadata(colour=colour) for colour in colours))
    assert written(tmp_path, metadata).colours == colours


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 0.0), ("int16", -9999.0), ("float32", -3.4028234663852886e38)])
def test_a_nodata_value_of_all_bands_stays(tmp_path, dtype, nodata):
    metadata = SceneMetadata(bands=bands(nodata=nodata))
    assert written(tmp_path, metadata, dtype=dtype).nodata == (nodata,) * 4
    assert [path.name for path in tmp_path.glob("*.xml")] == []


def test_nodata_may_be_no_number(tmp_path):
    metadata = SceneMetadata(bands=bands(nodata=float("nan")))
    assert not metadata.nodata_differs
    assert np.isnan(written(tmp_path, metadata, dtype="float32").nodata).all()


@pytest.mark.skipif(not (SHARED_DATA / "geotiff").is_dir(), reason="there are no rasters in ../shared/data/geotiff")
@pytest.mark.parametrize(
    "name", ["RGB.byte", "mosaic_uint16", "naip_4band", "nodata_nan", "pix4d_alpha_nodata", "rotated", "urban_2048"]
)
def test_what_real_rasters_say_survives_processes_and_files(tmp_path, name):
    with rasterio.open(SHARED_DATA / f"geotiff/{name}.tif") as dataset:
        region = Window(top=1, left=2, height=8, width=7)
        indexes = range(1, dataset.count + 1)
        read = pickle.loads(pickle.dumps(read_metadata(dataset, region=region, bands=indexes)))
        values = dataset.read(window=((1, 9), (2, 9))).repeat(2, axis=1).repeat(2, axis=2)
    write_tiled(tmp_path / "made.tif", values, block=16, metadata=read.scaled(2))
    with rasterio.open(tmp_path / "made.tif") as dataset:
        back = read_metadata(dataset, region=Window(height=16, width=14), bands=indexes)
        assert np.array_equal(dataset.read(), values)
    expected = dataclasses.replace(read.scaled(2), has_mask=False)
    assert back.transform.almost_equals(expected.transform, 1e-9)
    tags = {**expected.tags, "": {"AREA_OR_POINT": "Area", **expected.tags.get("", {})}} if expected.crs else {}
    assert dataclasses.replace(back, transform=None) == dataclasses.replace(expected, transform=None, tags=tags)
