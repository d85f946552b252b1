"""Where outputs lie: what GeoTIFF has no place for, points, and transforms that seem to be none."""

import dataclasses

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from segsr_arch.errors import SaveError
from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes import upscale
from segsr_arch.scenes.output import formats
from segsr_arch.scenes.output.metadata import BandMetadata, SceneMetadata
from tests.scenes.jobs import names, random_values, write_tiled
from tests.scenes.rasters import write_raster
from tests.scenes.test_metadata import rpcs
from tests.scenes.test_upscaling import drawn, nearest

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
ROTATED_POLE = "+proj=ob_tran +o_proj=longlat +o_lat_p=39.25 +lon_0=18 +R=6371229 +no_defs"
WGS84 = CRS.from_epsg(4326)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(layouts, "BLOCK", 64)


def points(count):
    return tuple(
        GroundControlPoint(row=place % 20 + 0.5, col=place // 20 % 20, x=10 + place / 7, y=50 - place / 9, z=3.5)
        for place in range(count)
    )


def coordinates(gcps):
    return [(point.row, point.col, point.x, point.y, point.z) for point in gcps]


@pytest.mark.parametrize("name", ["made.tif", "made.png", "made.jpg"])
@pytest.mark.parametrize("cog", [True, False])
def test_a_coordinate_reference_system_that_geotiff_cannot_hold_is_in_every_format(tmp_path, name, cog):
    place = {"crs": CRS.from_proj4(ROTATED_POLE), "transform": Affine(0.1, 0, -2, 0, -0.1, 5)}
    values = random_values(0, (1, 90, 70), "uint8")
    said = SceneMetadata(bands=(BandMetadata(),), **place)
    write_tiled(tmp_path / name, values, block=32, cog=cog, metadata=said)
    assert names(tmp_path) == [name, f"{name}.aux.xml", f"{name}.json"]
    with rasterio.open(tmp_path / name) as dataset:
        assert dataset.crs == place["crs"] and dataset.transform.almost_equals(place["transform"], 1e-12)


@pytest.mark.parametrize("name", ["made.tif", "made.png"])
@pytest.mark.parametrize("cog", [True, False])
@pytest.mark.parametrize("count", [4, 20_000])
@pytest.mark.parametrize("kind", ["Area", "Point"])
def test_few_and_many_points_stay_where_they_are(tmp_path, name, cog, count, kind):
    gcps = points(count)
    said = SceneMetadata(
        gcps=gcps, gcps_crs=WGS84, tags={"": {"AREA_OR_POINT": kind, "A": "b"}}, bands=(BandMetadata(),)
    )
    write_tiled(tmp_path / name, random_values(0, (1, 90, 70), "uint8"), block=32, cog=cog, metadata=said)
    with rasterio.open(tmp_path / name) as dataset:
        found, crs = dataset.gcps
        assert crs == WGS84 and dataset.tags()["A"] == "b"
        np.testing.assert_allclose(coordinates(found), coordinates(gcps), rtol=1e-11)


def test_points_of_a_file_that_says_point_are_enlarged_with_their_pixels(tmp_path):
    src = write_raster(tmp_path / "s.tif", drawn((3, 20, 20), "uint8"), crs=None, transform=None)
    with rasterio.open(src, "r+") as dataset:
        dataset.update_tags(AREA_OR_POINT="Point")
        dataset.gcps = ([GroundControlPoint(row=0.5, col=0.5, x=1, y=2, z=0)], WGS84)
    with rasterio.open(src) as dataset:
        assert [(point.row, point.col) for point in dataset.gcps[0]] == [(1.5, 1.5)]
    upscale(src, tmp_path / "up.tif", nearest)
    with rasterio.open(tmp_path / "up.tif") as dataset:
        assert [(point.row, point.col) for point in dataset.gcps[0]] == [(6, 6)]


@pytest.mark.parametrize("ending", [".tif", ".png"])
@pytest.mark.parametrize("crs", ["EPSG:32633", None])
def test_a_transform_that_becomes_the_identity_is_written(tmp_path, ending, crs):
    transform = Affine.scale(4)
    src = write_raster(tmp_path / "s.tif", drawn((3, 20, 20), "uint8"), transform=transform, crs=crs)
    upscale(src, tmp_path / f"up{ending}", nearest)
    with rasterio.open(src) as scene, rasterio.open(tmp_path / f"up{ending}") as out:
        assert out.transform == Affine.identity() and out.bounds == scene.bounds and out.crs == scene.crs


def test_a_raster_whose_transform_is_the_identity_stays_where_it_is(tmp_path):
    src = write_raster(tmp_path / "s.tif", drawn((3, 20, 20), "uint8"), transform=Affine.identity())
    upscale(src, tmp_path / "up.tif", nearest)
    with rasterio.open(src) as scene, rasterio.open(tmp_path / "up.tif") as out:
        assert out.bounds == scene.bounds


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("crs", {"crs": None}),
        ("transform", {"transform": Affine(10, 0, 500_001, 0, -10, 5_000_000)}),
        ("gcps", {"transform": None, "crs": None, "gcps": points(3), "gcps_crs": WGS84}),
        ("rpcs", {"rpcs": None}),
    ],
)
def test_what_is_read_of_the_file_that_gets_the_name_is_what_was_meant(tmp_path, monkeypatch, what, change):
    said = SceneMetadata(
        crs=CRS.from_epsg(32633), transform=Affine(10, 0, 500_000, 0, -10, 5_000_000), rpcs=rpcs(),
        bands=(BandMetadata(),),
    )  # fmt: skip
    if what == "gcps":
        said = dataclasses.replace(said, transform=None, crs=None, gcps=points(4), gcps_crs=WGS84)
    describe = formats.describe_pixels
    monkeypatch.setattr(
        formats, "describe_pixels", lambda path, said: describe(path, dataclasses.replace(said, **change))
    )
    with pytest.raises(SaveError, match=rf"made\.tif: cannot be written: .*: {what} could not be written"):
        write_tiled(tmp_path / "made.tif", random_values(0, (1, 90, 70), "uint8"), block=32, cog=True, metadata=said)
    assert not (tmp_path / "made.tif").exists()
    monkeypatch.undo()
    write_tiled(tmp_path / "made.tif", random_values(0, (1, 90, 70), "uint8"), block=32, cog=True, metadata=said)
    with rasterio.open(tmp_path / "made.tif") as dataset:
        assert isinstance(dataset.rpcs, RPC)


@pytest.mark.parametrize("name", ["made.png", "made.jpg"])
def test_polynomials_are_beside_an_image(tmp_path, name):
    said = SceneMetadata(rpcs=rpcs(), bands=(BandMetadata(),))
    write_tiled(tmp_path / name, random_values(0, (1, 90, 70), "uint8"), block=32, metadata=said)
    with rasterio.open(tmp_path / name) as dataset:
        assert dataset.rpcs.line_off == pytest.approx(rpcs().line_off)
