"""What becomes of tiles: cloud-optimized GeoTIFF, images, masks, and the file beside them."""

import dataclasses
import struct

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rio_cogeo import cog_validate

from segsr_arch.errors import ConfigError
from segsr_arch.scenes.output.formats import check_destination, format_note
from segsr_arch.scenes.output.metadata import XMP, BandMetadata, SceneMetadata, read_metadata
from segsr_arch.scenes.output.tiff_directory import TILE_LENGTHS, TILE_OFFSETS, read_directories, tag_values
from segsr_arch.windows import Window
from tests.scenes.jobs import digest, names, random_values, spec_of, write_tiled
from tests.scenes.test_metadata import rpcs

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore::rasterio.errors.NodataShadowWarning"),
]
RGBA = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
PLACE = {"crs": CRS.from_epsg(32633), "transform": Affine(10.0, 1.0, 500000.0, 2.0, -10.0, 5000000.0)}


def described(count=4, **settings):
    bands = tuple(
        BandMetadata(
            description=f"band {number}",
            tags={"": {"wavelength": str(number)}, "MINE": {"gain": str(number)}},
            colour=RGBA[number] if count == 4 else ColorInterp.undefined,
            scale=0.5,
            offset=number,
            unit="K",
            nodata=7.0,
        )
        for number in range(count)
    )
    tags = {"": {"A": "b", "AREA_OR_POINT": "Point"}, "MINE": {"key": "value"}, XMP: {XMP: '<x:xmpmeta a="b=c"/>'}}
    return SceneMetadata(bands=bands, tags=tags, **{**PLACE, **settings})


def smooth(count, height, width, dtype="uint8"):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([(rows // 3 + columns // 2 + 20 * band) % 200 for band in range(count)]).astype(dtype)


def checkered(window):
    rows, columns = np.mgrid[window.top : window.bottom, window.left : window.right]
    return (rows // 5 + columns // 7) % 3 > 0


def everything(path):
    with rasterio.open(path) as dataset:
        whole = Window(height=dataset.height, width=dataset.width)
        return dataset.read(), dataset.read_masks(1), read_metadata(dataset, region=whole, bands=dataset.indexes)


@pytest.mark.parametrize("compress", ["deflate", "zstd", "lzw", "none"])
@pytest.mark.parametrize("mask", [None, checkered])
def test_a_cloud_optimized_raster_is_valid_and_loses_nothing(tmp_path, compress, mask):
    values = smooth(4, 300, 210)
    settings = {"block": 64, "compress": compress, "metadata": described(), "mask": mask}
    write_tiled(tmp_path / "cog.tif", values, cog=True, **settings)
    write_tiled(tmp_path / "plain.tif", values, **settings)
    assert cog_validate(tmp_path / "cog.tif", strict=True, quiet=True) == (True, [], [])
    (pixels, masked, said), (same_pixels, same_mask, same_said) = map(
        everything, (tmp_path / "cog.tif", tmp_path / "plain.tif")
    )
    assert np.array_equal(pixels, values)
    assert np.array_equal(same_pixels, values)
    assert np.array_equal(masked, same_mask)
    assert said == same_said == dataclasses.replace(described(), has_mask=mask is not None)
    with rasterio.open(tmp_path / "cog.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2, 4, 8]
        assert dataset.profile.get("compress", "none") == compress
    assert names(tmp_path) == ["cog.tif", "cog.tif.json", "plain.tif", "plain.tif.json"]


def test_a_mask_of_any_size_is_as_it_was_given(tmp_path):
    write_tiled(tmp_path / "made.tif", smooth(1, 75, 131), block=32, mask=checkered)
    with rasterio.open(tmp_path / "made.tif") as dataset:
        assert dataset.mask_flag_enums == ([rasterio.enums.MaskFlags.per_dataset],)
        assert np.array_equal(dataset.read_masks(1) > 0, checkered(Window(height=75, width=131)))


def test_overviews_are_means_of_valid_pixels(tmp_path):
    values = np.full((1, 130, 130), 100, np.uint8)
    values[:, ::2, ::2] = 40
    values[:, :20] = 0
    metadata = SceneMetadata(bands=(BandMetadata(nodata=0.0),))
    write_tiled(tmp_path / "made.tif", values, block=64, cog=True, metadata=metadata)
    with rasterio.open(tmp_path / "made.tif", OVERVIEW_LEVEL=0) as dataset:
        overview = dataset.read(1)
        assert dataset.block_shapes == [(64, 64)]
    assert overview.shape == (65, 65)
    assert np.unique(overview[:10]).tolist() == [0]
    assert np.unique(overview[10:]).tolist() == [85]


def test_tiles_carry_their_lengths_so_that_one_request_reads_them(tmp_path):
    write_tiled(tmp_path / "made.tif", smooth(3, 300, 210), block=64, cog=True, mask=checkered)
    data = (tmp_path / "made.tif").read_bytes()
    with open(tmp_path / "made.tif", "rb") as file:
        images = read_directories(file)
    assert len(images) == 8  # the raster and its mask, and three overviews of each
    ends = []
    for image in reversed(images):
        offsets, lengths = tag_values(image, TILE_OFFSETS).tolist(), tag_values(image, TILE_LENGTHS).tolist()
        assert offsets == sorted(offsets)
        for offset, length in zip(offsets, lengths, strict=True):
            assert struct.unpack("<I", data[offset - 4 : offset]) == (length,)
            assert data[offset + length : offset + length + 4] == data[offset + length - 4 : offset + length]
            ends.append(offset + length + 4)
    assert ends == sorted(ends)
    assert ends[-1] == len(data)


def test_a_raster_of_one_block_needs_no_overview(tmp_path):
    write_tiled(tmp_path / "made.tif", smooth(1, 40, 16), block=64, cog=True)
    assert cog_validate(tmp_path / "made.tif", strict=True, quiet=True)[0]
    with rasterio.open(tmp_path / "made.tif") as dataset:
        assert dataset.overviews(1) == []


@pytest.mark.parametrize("cog", [True, False])
def test_nodata_values_that_differ_are_read_back_by_band(tmp_path, cog):
    values = smooth(4, 150, 130)
    bands = tuple(dataclasses.replace(band, nodata=nodata) for band, nodata in zip(
        described().bands, (0.0, 255.0, None, 17.0), strict=True
    ))  # fmt: skip
    metadata = dataclasses.replace(described(), bands=bands)
    write_tiled(tmp_path / "made.tif", values, block=64, cog=cog, metadata=metadata)
    assert names(tmp_path) == ["made.tif", "made.tif.aux.xml", "made.tif.json"]
    pixels, _, said = everything(tmp_path / "made.tif")
    assert said.nodata == (0.0, 255.0, None, 17.0)
    assert said == metadata
    assert np.array_equal(pixels, values)
    with rasterio.open(tmp_path / "made.tif") as dataset:
        for band, nodata in enumerate(said.nodata):
            expected = np.ones_like(values[band], bool) if nodata is None else values[band] != nodata
            if band == 2:  # alpha says it where nothing else does
                continue
            assert np.array_equal(dataset.read_masks(band + 1) > 0, expected)
    if cog:
        assert cog_validate(tmp_path / "made.tif", strict=True, quiet=True)[0]


def test_nodata_values_that_differ_do_not_get_into_the_means_of_overviews(tmp_path):
    values = np.full((2, 130, 130), 100, np.uint8)
    values[0, ::2] = 0
    values[1, ::2] = 255
    bands = tuple(BandMetadata(nodata=nodata) for nodata in (0.0, 255.0))
    write_tiled(tmp_path / "made.tif", values, block=64, cog=True, metadata=SceneMetadata(bands=bands))
    with rasterio.open(tmp_path / "made.tif", OVERVIEW_LEVEL=0) as dataset:
        assert set(np.unique(dataset.read(1))) <= {0, 100}
        assert set(np.unique(dataset.read(2))) <= {100, 255}


POINTS = tuple(
    rasterio.control.GroundControlPoint(row=row, col=column, x=row / 8, y=column / 8, z=1.0)
    for row, column in ((0, 1), (5, 9), (8, 2))
)


@pytest.mark.parametrize(
    "metadata",
    [
        SceneMetadata(rpcs=rpcs(), bands=(BandMetadata(),)),
        SceneMetadata(gcps=POINTS, gcps_crs=CRS.from_epsg(4326), bands=(BandMetadata(),)),
    ],
)
def test_points_and_polynomials_are_in_a_cloud_optimized_raster_too(tmp_path, metadata):
    write_tiled(tmp_path / "made.tif", smooth(1, 90, 70), block=32, cog=True, metadata=metadata)
    said = everything(tmp_path / "made.tif")[2]
    assert said.rpcs == metadata.rpcs
    assert said.gcps_crs == metadata.gcps_crs
    assert [(p.row, p.col, p.x, p.y, p.z) for p in said.gcps] == [(p.row, p.col, p.x, p.y, p.z) for p in metadata.gcps]
    assert cog_validate(tmp_path / "made.tif", strict=True, quiet=True)[0]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_png_holds_the_values(tmp_path, dtype, count):
    values = random_values(0, (count, 45, 37), dtype)
    colours = {1: (ColorInterp.gray,), 2: (ColorInterp.gray, ColorInterp.alpha), 3: RGBA[:3], 4: RGBA}[count]
    metadata = SceneMetadata(bands=tuple(BandMetadata(colour=colour) for colour in colours), **PLACE)
    write_tiled(tmp_path / "made.png", values, block=32, metadata=metadata)
    pixels, _, said = everything(tmp_path / "made.png")
    assert np.array_equal(pixels, values)
    assert said.colours == colours
    assert said.transform.almost_equals(PLACE["transform"], 1e-9)
    assert said.crs == PLACE["crs"]
    assert names(tmp_path) == ["made.png", "made.png.aux.xml", "made.png.json"]
    if dtype == "uint8":
        assert np.array_equal(np.atleast_3d(Image.open(tmp_path / "made.png")), values.transpose(1, 2, 0))


def test_an_image_without_a_place_has_nothing_beside_it_but_what_made_it(tmp_path):
    metadata = SceneMetadata(bands=tuple(BandMetadata(colour=colour) for colour in RGBA[:3]))
    write_tiled(tmp_path / "made.png", smooth(3, 45, 37), block=32, metadata=metadata)
    assert names(tmp_path) == ["made.png", "made.png.json"]


def test_what_an_image_has_no_place_for_lies_beside_it(tmp_path):
    write_tiled(tmp_path / "made.png", smooth(4, 45, 37), block=32, metadata=described())
    said = everything(tmp_path / "made.png")[2]
    expected = described()
    assert said.bands == tuple(
        dataclasses.replace(band, tags={"": band.tags[""]}) for band in expected.bands
    )  # fmt: skip
    assert (said.crs, said.transform, said.tags[""]["A"]) == (expected.crs, expected.transform, "b")


@pytest.mark.parametrize("count", [1, 3])
def test_jpeg_is_near_the_values_and_it_is_said_that_it_loses(tmp_path, count):
    colours = RGBA[:3] if count == 3 else (ColorInterp.gray,)
    metadata = SceneMetadata(bands=tuple(BandMetadata(colour=colour) for colour in colours), **PLACE)
    values = np.repeat(smooth(1, 45, 37) // 4, count, axis=0)
    write_tiled(tmp_path / "made.jpg", values, block=32, metadata=metadata)
    with Image.open(tmp_path / "made.jpg") as image:
        assert image.format == "JPEG"
        assert np.abs(np.atleast_3d(image).astype(int) - values.transpose(1, 2, 0)).mean() < 1
    assert "JPEG changes values" in format_note(tmp_path / "made.jpg", source="scene.tif")
    assert format_note(tmp_path / "made.jpg", source="photo.JPG") is None
    assert format_note(tmp_path / "made.png", source="scene.tif") is None


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "message"),
    [
        ("out.png", (1, 9, 9), "float32", "PNG holds 1 to 4 bands of uint8 or uint16, not 1 of float32; .*tif"),
        ("out.png", (5, 9, 9), "uint8", "not 5 of uint8"),
        ("out.png", (4, 9, 9), "uint8", "the last of 4 bands is alpha"),
        ("out.jpg", (3, 9, 9), "uint16", "JPEG holds 1 or 3 bands of uint8, not 3 of uint16"),
        ("out.jpeg", (4, 9, 9), "uint8", "not 4 of uint8"),
        ("out.jpg", (1, 1, 70000), "uint8", "at most 65500 rows and columns, not 1 x 70000"),
        ("out.webp", (1, 9, 9), "uint8", r"one of \.tif, \.tiff, \.png, \.jpg, \.jpeg"),
        ("out", (1, 9, 9), "uint8", r"choose another ending"),
    ],
)
def test_formats_that_cannot_hold_the_pixels_are_refused(tmp_path, name, shape, dtype, message):
    with pytest.raises(ConfigError, match=message):
        check_destination(tmp_path / name, spec_of(np.zeros(shape, dtype), block=16), sources=[])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_mask_becomes_alpha_in_png(tmp_path, count, dtype):
    values = random_values(0, (count, 75, 131), dtype)
    bands = tuple(BandMetadata(colour=colour) for colour in (RGBA[:3] if count == 3 else (ColorInterp.gray,)))
    metadata = SceneMetadata(bands=bands, **PLACE)
    write_tiled(tmp_path / "made.png", values, block=32, mask=checkered, metadata=metadata)
    pixels, masked, said = everything(tmp_path / "made.png")
    valid = checkered(Window(height=75, width=131))
    assert np.array_equal(pixels, [*values, np.where(valid, np.iinfo(dtype).max, 0)])
    assert np.array_equal(masked > 0, valid)
    assert said.alpha == count and said.crs == PLACE["crs"]


def test_png_has_no_place_for_a_mask_besides_alpha(tmp_path):
    spec = spec_of(np.zeros((4, 9, 9), np.uint8), block=16, mask=checkered, metadata=described())
    with pytest.raises(ConfigError, match="no place for a mask besides alpha"):
        check_destination(tmp_path / "out.png", spec, sources=[])


@pytest.mark.parametrize("name", ["out.tif", "out.png", "out.jpg"])
def test_the_bytes_depend_on_nothing_else(tmp_path, name):
    metadata = SceneMetadata(bands=tuple(BandMetadata(colour=colour) for colour in RGBA[:3]), **PLACE)
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        write_tiled(tmp_path / folder / name, smooth(3, 300, 210), block=64, metadata=metadata, cog=True)
    assert digest(tmp_path / "first" / name) == digest(tmp_path / "second" / name)
