import json

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from PIL import Image
from rasterio.enums import ColorInterp

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes import upscale
from tests.scenes.rasters import shared_raster, write_raster

ROTATED = Affine(3, 1, 1000, 1, -3, 2000)


def nearest(tiles):
    return tiles.repeat_interleave(4, -1).repeat_interleave(4, -2)


def drawn(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.random(shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def enlarged(values, scale=4):
    return values.repeat(scale, -1).repeat(scale, -2)


def read(path):
    with rasterio.open(path) as dataset:
        return dataset.read()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(layouts, "BLOCK", 64)
    monkeypatch.setattr(layouts, "STRIP_BLOCKS", 3)


@pytest.mark.parametrize("cog", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("bands", [1, 3])
def test_an_identity_gives_every_value_of_the_scene_back_in_its_type_and_place(tmp_path, dtype, bands, cog):
    values = drawn((bands, 61, 83), dtype)
    src = write_raster(tmp_path / "scene.tif", values, transform=ROTATED)
    report = upscale(src, tmp_path / "up.tif", nearest, tile=24, overlap=8, batch=2, cog=cog)
    with rasterio.open(tmp_path / "up.tif") as out, rasterio.open(src) as scene:
        assert out.dtypes == scene.dtypes and out.crs == scene.crs and out.bounds == scene.bounds
        assert out.transform.almost_equals(ROTATED @ Affine.scale(1 / 4))
        np.testing.assert_array_equal(out.read(), enlarged(values))
    assert (report.height, report.width, report.skipped) == (244, 332, False)


def test_what_is_written_besides_displaces_neither_source_nor_output(tmp_path):
    src = tmp_path / "scene.png"
    Image.fromarray(drawn((20, 20, 3), "uint8")).save(src)
    before = src.read_bytes()
    with pytest.raises(ConfigError, match=r"^--preview .*scene.png: is what is read; choose another name"):
        upscale(src, tmp_path / "up.tif", nearest, preview=src)
    with pytest.raises(ConfigError, match=r"^--preview .*up.png: is the output; choose another name"):
        upscale(src, tmp_path / "up.png", nearest, preview=tmp_path / "up.png")
    assert src.read_bytes() == before and sorted(path.name for path in tmp_path.iterdir()) == ["scene.png"]


def test_the_spread_of_another_output_is_not_displaced(tmp_path):
    src = tmp_path / "scene.png"
    Image.fromarray(drawn((20, 20, 3), "uint8")).save(src)
    upscale(src, tmp_path / "up.tif", nearest, ensemble=True)
    spread = (tmp_path / "up.spread.tif").read_bytes()
    with pytest.raises(ConfigError, match=r"up.spread.tif exists and is another output's; choose another name, or"):
        upscale(src, tmp_path / "up.png", nearest, ensemble=True)
    assert (tmp_path / "up.spread.tif").read_bytes() == spread and not (tmp_path / "up.png").exists()
    assert upscale(src, tmp_path / "up.tif", nearest, ensemble=True).skipped
    assert not upscale(src, tmp_path / "up.tif", nearest, ensemble=True, overwrite=True, seed=None, tile=32).skipped


def test_what_was_done_before_is_called_as_it_is_now(tmp_path, monkeypatch):
    src = tmp_path / "scene.png"
    Image.fromarray(drawn((20, 20, 3), "uint8")).save(src)
    monkeypatch.chdir(tmp_path)
    upscale(src, "out/up.tif", nearest)
    monkeypatch.chdir(tmp_path / "out")
    report = upscale(src, "up.tif", nearest, preview="look.png")
    assert report.skipped and report.dst == "up.tif" and (tmp_path / "out/look.png").is_file()


def part_of(name, band):
    """A band of a file beside a virtual raster, as GDAL writes it."""
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename><SourceBand>{band}</SourceBand>'
        "</SimpleSource>"
    )


def test_bands_with_masks_of_their_own_stay_invalid_where_any_is(tmp_path):
    write_raster(tmp_path / "scene.tif", drawn((3, 20, 20), "uint8"))
    masks = [np.full((1, 20, 20), 255, np.uint8) for _ in range(3)]
    masks[0][:, :, 10:], masks[1][:, 15:] = 0, 0
    bands = ""
    for number, mask in enumerate(masks, 1):
        write_raster(tmp_path / f"mask{number}.tif", mask)
        hidden = (
            f'<MaskBand><VRTRasterBand dataType="Byte">{part_of(f"mask{number}.tif", 1)}</VRTRasterBand></MaskBand>'
        )
        shown = part_of("scene.tif", number)
        bands += f'<VRTRasterBand dataType="Byte" band="{number}">{shown}{hidden}</VRTRasterBand>'
    place = "<SRS>EPSG:32633</SRS><GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>"
    vrt = tmp_path / "scene.vrt"
    vrt.write_text(f'<VRTDataset rasterXSize="20" rasterYSize="20">{place}{bands}</VRTDataset>')
    report = upscale(vrt, tmp_path / "up.tif", nearest, bands=[1, 2, 3])
    expected = enlarged((masks[0] & masks[1] & masks[2])[0])
    with rasterio.open(tmp_path / "up.tif") as out:
        assert np.array_equal(out.dataset_mask(), expected)
    assert any("masks of their own" in note for note in report.notes)


def test_a_scene_that_is_one_pixel_wide(tmp_path):
    values = drawn((3, 37, 1), "uint8")
    src = write_raster(tmp_path / "scene.tif", values)
    upscale(src, tmp_path / "up.tif", nearest, tile=16, overlap=4)
    np.testing.assert_array_equal(read(tmp_path / "up.tif"), enlarged(values))


def test_a_part_of_a_scene_lies_where_it_was(tmp_path):
    values = drawn((3, 60, 70), "uint8")
    src = write_raster(tmp_path / "scene.tif", values)
    upscale(src, tmp_path / "up.tif", nearest, tile=16, overlap=4, window=(10, 20, 30, 25))
    with rasterio.open(tmp_path / "up.tif") as out, rasterio.open(src) as scene:
        np.testing.assert_array_equal(out.read(), enlarged(values[:, 20:45, 10:40]))
        assert out.transform == scene.transform @ Affine.translation(10, 20) @ Affine.scale(1 / 4)


def test_invalid_pixels_stay_what_they_were_and_valid_ones_never_become_invalid(tmp_path):
    values = drawn((3, 50, 60), "uint8").clip(1, 255)
    values[:, 10:20, 30:] = 0
    src = write_raster(tmp_path / "scene.tif", values, nodata=0)
    upscale(src, tmp_path / "dark.tif", lambda tiles: nearest(tiles) * 0, tile=16, overlap=4)
    with rasterio.open(tmp_path / "dark.tif") as out:
        expected = enlarged(values == 0)
        np.testing.assert_array_equal(out.read() == 0, expected)
        np.testing.assert_array_equal(out.read()[~expected], 1)


def test_further_bands_are_bicubic_and_marked_so_or_dropped(tmp_path):
    values = drawn((4, 40, 40), "uint8")
    values[3] = np.arange(40)[None, :] * 5
    colours = (ColorInterp.gray, *[ColorInterp.undefined] * 3)
    src = write_raster(tmp_path / "scene.tif", values, colours=colours)
    upscale(src, tmp_path / "up.tif", nearest, tile=16, overlap=4, bands=[3, 2, 1])
    with rasterio.open(tmp_path / "up.tif") as out:
        np.testing.assert_array_equal(out.read([1, 2, 3]), enlarged(values[:3]))
        row = out.read(4)[80]
        assert (np.abs(np.diff(row[16:-16].astype(int)) - 1.25) < 1).all(), "a ramp stays a ramp"
        assert [out.tags(band)["SUPER_RESOLUTION_METHOD"] for band in (1, 4)] == ["nearest", "bicubic"]
    upscale(src, tmp_path / "three.tif", nearest, tile=16, overlap=4, bands=[3, 2, 1], rest="drop")
    np.testing.assert_array_equal(read(tmp_path / "three.tif"), enlarged(values[:3]))
    with pytest.raises(DataError, match="--bands"):
        upscale(src, tmp_path / "none.tif", nearest)


def test_a_jpeg_is_refused_where_pixels_could_become_no_data_and_else_it_is_said_that_it_loses(tmp_path):
    values = drawn((3, 30, 40), "uint8")
    src = write_raster(tmp_path / "scene.tif", values, nodata=0)
    with pytest.raises(ConfigError, match=r"up\.jpg: JPEG changes values.*no-data.*choose the ending \.tif"):
        upscale(src, tmp_path / "up.jpg", nearest)
    assert not list(tmp_path.glob("*up*"))
    src = write_raster(tmp_path / "whole.tif", values)
    report = upscale(src, tmp_path / "up.jpg", nearest)
    assert any("up.jpg: JPEG changes values" in note for note in report.notes)


def test_the_bands_reach_the_network_in_the_order_that_is_asked_for(tmp_path):
    values = np.zeros((3, 20, 20), "uint8") + np.array([10, 20, 30], "uint8")[:, None, None]
    src = write_raster(tmp_path / "scene.tif", values)
    seen = []

    def network(tiles):
        seen.append((tiles[0, :, 0, 0] * 255).round().tolist())
        return nearest(tiles)

    upscale(src, tmp_path / "up.tif", network, bands=[3, 1, 2])
    assert seen[-1] == [30, 10, 20]


def test_alpha_is_no_colour(tmp_path):
    values = drawn((4, 40, 40), "uint8")
    values[3] = np.where(np.arange(40) < 20, 0, 200)
    colours = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    src = write_raster(tmp_path / "scene.tif", values, colours=colours)
    upscale(src, tmp_path / "up.tif", lambda tiles: nearest(tiles) * 0.5, tile=16, overlap=4)
    with rasterio.open(tmp_path / "up.tif") as out:
        assert out.colorinterp == colours
        np.testing.assert_array_equal(out.read(4), enlarged(values[3]))


def test_a_stated_range_is_what_the_network_sees_and_nothing_is_clipped_to_it(tmp_path):
    values = np.full((3, 20, 20), 5000, "uint16")
    values[:, :, 10:] = 12000
    src = write_raster(tmp_path / "scene.tif", values)
    seen = []

    def network(tiles):
        seen.append(tiles.amax().item())
        return nearest(tiles)

    report = upscale(src, tmp_path / "up.tif", network, value_range=(0, 10000))
    assert max(seen) == pytest.approx(1.2)
    np.testing.assert_array_equal(read(tmp_path / "up.tif"), enlarged(values))
    assert any("outside of the range" in note for note in report.notes)


def test_floats_beyond_zero_and_one_need_a_range_and_nothing_is_written_without(tmp_path):
    src = write_raster(tmp_path / "scene.tif", drawn((3, 20, 20), "float32") * 300)
    with pytest.raises(DataError, match="--range"):
        upscale(src, tmp_path / "up.tif", nearest)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_the_same_again_is_passed_over_and_another_way_is_refused(tmp_path):
    src = write_raster(tmp_path / "scene.tif", drawn((3, 40, 40), "uint8"))
    dst = tmp_path / "up.tif"
    first = upscale(src, dst, nearest, tile=16, overlap=4)
    calls = []

    def counted(tiles):
        calls.append(1)
        return nearest(tiles)

    counted.__module__, counted.__qualname__ = nearest.__module__, nearest.__qualname__
    written = dst.read_bytes()
    second = upscale(src, dst, counted, tile=16, overlap=4)
    assert second.skipped and not first.skipped and second.consistency == first.consistency
    assert "was done before" in second.line() and dst.read_bytes() == written
    assert len(calls) <= 1, "but for the trial that finds the scale"
    with pytest.raises(ConfigError, match=r"tile.*16.*24.*--overwrite"):
        upscale(src, dst, nearest, tile=24, overlap=4)
    assert not upscale(src, dst, nearest, tile=24, overlap=4, overwrite=True).skipped


def test_a_job_that_failed_goes_on_where_it_was_and_gives_the_same_bytes(tmp_path):
    src = write_raster(tmp_path / "scene.tif", drawn((3, 90, 90), "uint8"))
    options = {"tile": 16, "overlap": 4, "cog": False}
    upscale(src, tmp_path / "whole.tif", nearest, **options)
    limit = [40]

    def failing(tiles):
        limit[0] -= 1
        if limit[0] < 0:
            raise RuntimeError("pulled the plug")
        return nearest(tiles)

    failing.__module__, failing.__qualname__ = nearest.__module__, nearest.__qualname__
    counts = []
    for _ in range(9):
        limit[0] = 40
        try:
            upscale(src, tmp_path / "up.tif", failing, **options)
            break
        except RuntimeError:
            counts.append(limit[0])
            assert not (tmp_path / "up.tif").exists(), "never half there"
    assert len(counts) >= 2
    assert (tmp_path / "up.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


def test_a_network_that_gives_nan_or_another_size_writes_nothing(tmp_path):
    src = write_raster(tmp_path / "scene.tif", drawn((3, 40, 40), "uint8"))
    with pytest.raises(DataError, match="NaN"):
        upscale(src, tmp_path / "up.tif", lambda tiles: nearest(tiles) * float("nan"), tile=16, overlap=4)
    with pytest.raises(ConfigError, match="expected"):
        upscale(src, tmp_path / "up.tif", lambda tiles: nearest(tiles)[..., :-1], tile=16, overlap=4)
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_what_was_measured_is_said_and_stands_beside_the_output(tmp_path):
    values = np.full((3, 40, 40), 100, "uint8")
    src = write_raster(tmp_path / "scene.tif", values)
    report = upscale(src, tmp_path / "up.tif", lambda tiles: nearest(tiles) + 2 / 255, tile=16, overlap=4)
    assert report.consistency.mean == pytest.approx(2) and report.consistency.pixels == 3 * 40 * 40
    assert "LR consistency 2 of a grey level" in report.line() and "160 x 160 x 3 uint8, EPSG:32633" in report.line()
    beside = json.loads((tmp_path / "up.tif.json").read_text())
    assert beside["report"]["lr_consistency"] == pytest.approx(2)
    assert beside["identity"]["options"]["tile"] == 16


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_consistent_output_gives_the_input_when_it_is_reduced(tmp_path, dtype):
    values = drawn((3, 60, 50), dtype)
    smooth = torch.nn.functional.avg_pool2d(torch.from_numpy(values.astype("float64")), 9, 1, 4)
    values = smooth.numpy().astype(dtype)
    src = write_raster(tmp_path / "scene.tif", values)
    offset = 0.1
    report = upscale(
        src, tmp_path / "up.tif", lambda tiles: nearest(tiles) + offset, tile=16, overlap=4, consistent=True
    )
    assert report.consistency.missed == 0 and report.consistency.pixels == 3 * 60 * 50
    assert not any("consistent" in note for note in report.notes)


def test_what_cannot_be_made_consistent_is_said(tmp_path):
    values = np.zeros((1, 40, 40), np.uint8)
    values[0, 20, 20] = 255  # brighter than any output within the range, whose neighbours are dark, can be
    src = write_raster(tmp_path / "scene.tif", values)
    report = upscale(src, tmp_path / "up.tif", nearest, tile=16, overlap=4, consistent=True)
    (note,) = (note for note in report.notes if "consistent" in note)
    assert note.startswith(f"{report.consistency.missed} of 1600 values are not consistent, by ")
    assert f"{report.consistency.largest:.4g} at most" in note and report.consistency.largest > 1
    plain = upscale(src, tmp_path / "plain.tif", nearest, tile=16, overlap=4)
    assert plain.consistency.missed and not any("consistent" in note for note in plain.notes)


def test_a_preview_shows_input_bicubic_and_output(tmp_path):
    src = write_raster(tmp_path / "scene.tif", drawn((3, 100, 100), "uint8"))
    upscale(src, tmp_path / "up.tif", nearest, preview=tmp_path / "look" / "preview.png")
    with Image.open(tmp_path / "look" / "preview.png") as picture:
        assert picture.width > 3 * picture.height * 0.8
    with pytest.raises(ConfigError, match="png"):
        upscale(src, tmp_path / "up.tif", nearest, preview=tmp_path / "preview.pdf")


SHARED = {
    "RGB.byte.tif": {},
    "mosaic_uint16.tif": {},
    "naip_4band.tif": {"bands": [1, 2, 3]},
    "nodata_nan.tif": {"value_range": (0, 1)},
    "pix4d_alpha_nodata.tif": {},
    "rotated.tif": {},
}


@pytest.mark.parametrize("name", SHARED)
def test_real_rasters_keep_values_place_masks_names_and_colours(tmp_path, name, monkeypatch):
    monkeypatch.setattr(layouts, "BLOCK", 512)
    src = shared_raster(name)
    with rasterio.open(src) as scene:
        window = (0, 0, min(scene.width, 300), min(scene.height, 260))
    upscale(src, tmp_path / "up.tif", nearest, window=window, cog=False, **SHARED[name])
    with rasterio.open(src) as scene, rasterio.open(tmp_path / "up.tif") as out:
        part = rasterio.windows.Window(*window)
        network = SHARED[name].get("bands") or [
            band for band, colour in enumerate(scene.colorinterp, 1) if colour != ColorInterp.alpha
        ]
        np.testing.assert_array_equal(out.read(network), enlarged(scene.read(network, window=part)))
        np.testing.assert_array_equal(out.read_masks(), enlarged(scene.read_masks(window=part)))
        for what in ("crs", "nodatavals", "descriptions", "colorinterp", "dtypes", "scales", "offsets", "units"):
            assert getattr(out, what) == getattr(scene, what), what
        assert out.transform.almost_equals(scene.window_transform(part) @ Affine.scale(1 / 4))
