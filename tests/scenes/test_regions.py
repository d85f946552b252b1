import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.warp import transform_bounds

from segsr_arch.errors import ConfigError
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.scenes.source.rasters import open_raster
from segsr_arch.scenes.source.regions import region_of
from segsr_arch.windows import Window
from tests.scenes.rasters import PLACE, shared_raster, write_raster

HEIGHT, WIDTH = 30, 50
PIXELS = np.zeros((HEIGHT, WIDTH), np.uint8)


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Open rasters of 50 x 30 pixels by the direction of their rows."""
    folder = tmp_path_factory.mktemp("rasters")
    down = write_raster(folder / "down.tif", PIXELS)
    up = write_raster(folder / "up.tif", PIXELS, transform=Affine(10, 0, 500_000, 0, 10, 4_999_700))
    with open_raster(down) as one, open_raster(up) as other:
        yield {"down": one, "up": other}


@pytest.fixture
def north_up(rasters):
    return rasters["down"]


@st.composite
def windows(draw):
    left, top = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    return Window(
        top=top,
        left=left,
        height=draw(st.integers(1, HEIGHT - top)),
        width=draw(st.integers(1, WIDTH - left)),
    )


def bounds_of(dataset, window, *, shrunk=0.0):
    """W S E N of pixels; edges moved inwards by a part of a pixel."""
    columns = (window.left + shrunk, window.right - shrunk)
    rows = (window.top + shrunk, window.bottom - shrunk)
    transform = dataset.transform
    x = sorted(transform.c + transform.a * column for column in columns)
    y = sorted(transform.f + transform.e * row for row in rows)
    return x[0], y[0], x[1], y[1]


@given(window=windows())
def test_a_window_in_pixels_is_that_window(rasters, window):
    asked = (window.left, window.top, window.width, window.height)
    assert region_of(rasters["down"], window=asked) == (window, ())


@pytest.mark.parametrize("rows", ["down", "up"])
@given(window=windows(), shrunk=st.sampled_from([0.0, 0.01, 0.4]))
def test_bounds_take_every_pixel_that_they_touch(rasters, rows, window, shrunk):
    dataset = rasters[rows]
    assert region_of(dataset, bounds=bounds_of(dataset, window, shrunk=shrunk)) == (window, ())


@settings(max_examples=30)
@given(window=windows())
def test_bounds_in_degrees_hold_the_pixels(rasters, window):
    dataset = rasters["down"]
    degrees = transform_bounds(dataset.crs, "EPSG:4326", *bounds_of(dataset, window))
    found, _ = region_of(dataset, bounds=degrees, bounds_crs="EPSG:4326")
    assert found.intersection(window) == window
    assert found.height <= window.height + 3 and found.width <= window.width + 3


def test_without_a_wish_all_is_taken(north_up):
    assert region_of(north_up) == (Window(height=HEIGHT, width=WIDTH), ())


def test_bounds_that_reach_beyond_the_raster_are_cut_and_that_is_said(north_up):
    found, notes = region_of(north_up, bounds=(499_000, 4_999_900, 500_095, 5_001_000))
    assert found == Window(height=10, width=10)
    assert notes == ("--bounds 499000 4999900 500095 5001000 reach beyond the raster; what lies in both is taken",)


def test_a_scene_is_of_its_region_and_reads_its_notes(tmp_path):
    scene = describe_scene(write_raster(tmp_path / "s.tif", PIXELS), bounds=(500_400, 4_999_900, 600_000, 5_000_000))
    assert (scene.region, scene.height, scene.width) == (Window(left=40, height=10, width=10), 10, 10)
    assert len(scene.notes) == 1


@pytest.mark.parametrize("asked", [(0, 0, 0, 5), (0, 0, 5, 0), (3, 3, -1, 2)])
def test_a_window_without_pixels_is_refused(north_up, asked):
    with pytest.raises(ConfigError, match=r"^--window .* holds no pixel; .*down.tif has 50 x 30 pixels$"):
        region_of(north_up, window=asked)


@pytest.mark.parametrize("asked", [(-1, 0, 5, 5), (0, -1, 5, 5), (46, 0, 5, 5), (0, 26, 5, 5), (90, 90, 1, 1)])
def test_a_window_that_reaches_out_of_the_raster_is_refused(north_up, asked):
    with pytest.raises(ConfigError, match=r"^--window .* reaches out of the raster: .*down.tif has 50 x 30 pixels$"):
        region_of(north_up, window=asked)


@pytest.mark.parametrize("bounds", [(2, 0, 1, 1), (0, 2, 1, 1), (0, 0, 0, 1), (0, 0, float("nan"), 1)])
def test_bounds_that_are_none_are_refused(north_up, bounds):
    with pytest.raises(ConfigError, match=r"^--bounds .* \(W S E N\): W lies below E"):
        region_of(north_up, bounds=bounds)


def test_bounds_elsewhere_are_refused_with_where_the_raster_is(north_up):
    there = r"nothing of .*down.tif lies there; its bounds are 500000 4999700 500500 5000000$"
    with pytest.raises(ConfigError, match=rf"^--bounds 0 0 9 9: {there}"):
        region_of(north_up, bounds=(0, 0, 9, 9))
    with pytest.raises(ConfigError, match=rf"^--bounds 2 48 2.1 48.1 in EPSG:4326: {there}"):
        region_of(north_up, bounds=(2, 48, 2.1, 48.1), bounds_crs="EPSG:4326")


def test_bounds_of_a_rotated_raster_are_refused(tmp_path):
    path = write_raster(tmp_path / "s.tif", PIXELS, transform=PLACE @ Affine.rotation(20))
    for each in (path, shared_raster("rotated.tif")):
        with pytest.raises(ConfigError, match=r"s?.tif is rotated, .* give --window$"):
            describe_scene(each, bounds=(0, 0, 1, 1))
    assert describe_scene(path, window=(1, 2, 3, 4)).region == Window(top=2, left=1, height=4, width=3)


def test_bounds_of_a_raster_without_place_are_refused(tmp_path):
    path = write_raster(tmp_path / "s.tif", PIXELS, crs=None, transform=None)
    with pytest.raises(ConfigError, match=r"s.tif has no transform from pixels to coordinates; give --window$"):
        describe_scene(path, bounds=(0, 0, 1, 1))


def test_bounds_of_a_raster_without_crs_are_in_its_own_coordinates(tmp_path):
    path = write_raster(tmp_path / "s.tif", PIXELS, crs=None)
    asked = (500_000, 4_999_990, 500_010, 5_000_000)
    assert describe_scene(path, bounds=asked).region == Window(height=1, width=1)
    with pytest.raises(ConfigError, match=r"^--bounds-crs EPSG:4326: .*s.tif has no coordinate reference system; give"):
        describe_scene(path, bounds=asked, bounds_crs="EPSG:4326")


def test_a_coordinate_reference_system_that_is_not_known_is_refused(north_up):
    with pytest.raises(ConfigError, match=r"^--bounds-crs mars is not known; write it like EPSG:4326$"):
        region_of(north_up, bounds=(0, 0, 1, 1), bounds_crs="mars")


def test_bounds_across_the_180th_meridian_are_refused_where_the_raster_ends_and_taken_where_it_does_not(tmp_path):
    asked = {"bounds": (800_000, 0, 900_000, 200_000), "bounds_crs": "EPSG:32660"}  # 179.7 to 180.6 degrees
    halves = write_raster(tmp_path / "a.tif", WORLD, crs="EPSG:4326", transform=Affine(1, 0, -180, 0, -1, 90))
    with pytest.raises(ConfigError, match=r"in EPSG:32660 lie across the 180th meridian, at which .*a.tif ends; upsc"):
        describe_scene(halves, **asked)
    whole = write_raster(tmp_path / "b.tif", WORLD, crs="EPSG:4326", transform=Affine(1, 0, 0, 0, -1, 90))
    region = describe_scene(whole, **asked).region
    assert (region.left, region.width, region.top) == (179, 2, 88)


WORLD = np.random.default_rng(0).integers(0, 256, (3, 180, 360), np.uint8)
LOCAL = 'LOCAL_CS["Local Coordinates (m)",UNIT["metre",1]]'


def test_a_raster_in_a_system_of_its_own_has_no_bounds_in_degrees(tmp_path, capfd):
    path = write_raster(tmp_path / "s.tif", PIXELS, crs=LOCAL)
    with pytest.raises(ConfigError, match=r"^--bounds 0 0 1 1 in EPSG:4326 cannot be transformed to "):
        describe_scene(path, bounds=(0, 0, 1, 1), bounds_crs="EPSG:4326")
    assert "ERROR" not in capfd.readouterr().err, "GDAL's own words are for nobody"


def test_metres_that_are_said_to_be_degrees_are_refused(north_up):
    with pytest.raises(ConfigError, match=r"these are no coordinates in EPSG:4326 that have a place in EPSG:32633$"):
        region_of(north_up, bounds=(500_000, 4_999_900, 500_100, 5_000_000), bounds_crs="EPSG:4326")
