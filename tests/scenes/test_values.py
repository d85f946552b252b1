"""Values and tags that an output must have, whatever its type and format."""

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.enums import ColorInterp

from segsr_arch.cli.segsr import main
from segsr_arch.errors import ConfigError
from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes import upscale
from tests.scenes.rasters import write_raster
from tests.scenes.test_upscaling import drawn, enlarged, nearest, read

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(layouts, "BLOCK", 64)


@pytest.mark.parametrize(
    ("dtype", "constant"), [("uint32", 4000000001), ("int32", -2000000001), ("float64", 1234567.891), ("uint16", 65535)]
)
def test_further_bands_keep_every_digit_of_their_type(tmp_path, dtype, constant):
    values = np.full((4, 20, 20), 5000, dtype)
    values[3] = constant
    src = write_raster(tmp_path / "s.tif", values)
    upscale(src, tmp_path / "up.tif", nearest, bands=[1, 2, 3], value_range=(0, 10000))
    made = read(tmp_path / "up.tif")[3]
    np.testing.assert_allclose(made, constant, rtol=1e-15 if dtype == "float64" else 0)


def test_the_spread_is_no_number_below_zero_where_the_scale_is(tmp_path):
    scales = (-0.0001,) * 3
    src = write_raster(tmp_path / "s.tif", drawn((3, 20, 20), "uint16") // 7, scales=scales, offsets=(1.0,) * 3)

    def darker_on_the_left(tiles):
        return nearest(tiles) * torch.linspace(0, 1, 4 * tiles.shape[-1])

    upscale(src, tmp_path / "up.tif", darker_on_the_left, ensemble=True)
    spread = read(tmp_path / "up.spread.tif")
    assert spread.min() >= 0 and spread.max() > 1


def test_keys_of_tags_that_are_arguments_of_rasterio_are_written_in_capitals(tmp_path):
    src = write_raster(tmp_path / "s.tif", drawn((3, 20, 20), "uint8"), photometric="RGB")
    (tmp_path / "s.tif.aux.xml").write_text(
        '<PAMDataset><Metadata><MDI key="ns">a</MDI><MDI key="bidx">b</MDI></Metadata><PAMRasterBand band="2">'
        '<Metadata><MDI key="ns">c</MDI></Metadata></PAMRasterBand></PAMDataset>'
    )
    upscale(src, tmp_path / "up.tif", nearest)
    with rasterio.open(tmp_path / "up.tif") as out:
        assert (out.tags()["NS"], out.tags()["BIDX"], out.tags(2)["NS"]) == ("a", "b", "c")


def test_no_data_that_jpeg_would_spread_is_refused_before_anything_is_done(tmp_path):
    values = drawn((3, 20, 20), "uint8").clip(1)
    values[:, :5, :5] = 0
    src = write_raster(tmp_path / "s.tif", values, nodata=0, photometric="RGB")
    message = r"up\.jpg: JPEG changes values, so that valid pixels would become no-data ones; choose the ending \.tif"
    with pytest.raises(ConfigError, match=message):
        upscale(src, tmp_path / "up.jpg", nearest)
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]
    upscale(src, tmp_path / "up.png", nearest)
    with rasterio.open(tmp_path / "up.png") as out:
        np.testing.assert_array_equal(out.read_masks(1), enlarged(np.where(values[0], 255, 0)))


def test_that_jpeg_changes_values_is_said(tmp_path, caplog):
    src = write_raster(tmp_path / "s.tif", drawn((3, 20, 20), "uint8"), photometric="RGB")
    report = upscale(src, tmp_path / "up.jpg", nearest, shown=True)
    note = "up.jpg: JPEG changes values; a file that ends in .tif or .png keeps them."
    assert note in report.notes and note in caplog.text
    assert not any("JPEG" in each for each in upscale(src, tmp_path / "up.png", nearest).notes)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("cog", [True, False])
def test_colours_into_which_alpha_is_multiplied_are_said_to_be_such(tmp_path, dtype, cog):
    options = {"photometric": "RGB", "ALPHA": "PREMULTIPLIED"}
    src = write_raster(tmp_path / "s.tif", drawn((5, 40, 40), dtype), **options)
    upscale(src, tmp_path / "up.tif", nearest, cog=cog, value_range=(0, 200))
    for path in (src, tmp_path / "up.tif"):
        with rasterio.open(path) as dataset:
            assert dataset.colorinterp[3] == ColorInterp.alpha
            assert dataset.get_tag_item("TIFFTAG_EXTRASAMPLES", "_DEBUG_", 0) == "1,0"
    src = write_raster(tmp_path / "t.tif", drawn((4, 40, 40), dtype), **options)
    with pytest.raises(
        ConfigError, match=r"in PNG alpha is not multiplied .*, and here it is; choose the ending \.tif"
    ):
        upscale(src, tmp_path / "up.png", nearest, value_range=(0, 200))


@pytest.mark.parametrize("ending", [".tif", ".png", ".jpg"])
def test_a_colour_that_is_transparent_makes_no_other_pixel_so(tmp_path, ending):
    values = drawn((3, 20, 20), "uint8").clip(10)
    values[:, :5, :5] = np.array([1, 2, 3])[:, None, None]
    values[0, 10] = 1  # as the colour, but in one band
    Image.fromarray(values.transpose(1, 2, 0)).save(tmp_path / "s.png", transparency=(1, 2, 3))
    upscale(
        tmp_path / "s.png",
        tmp_path / f"up{ending}",
        lambda tiles: tiles.new_tensor((1, 2, 3))[:, None, None] / 255 + 0 * nearest(tiles),
    )
    valid = np.full((20, 20), 255)
    valid[:5, :5] = 0
    with rasterio.open(tmp_path / f"up{ending}") as out:
        np.testing.assert_array_equal(out.dataset_mask(), enlarged(valid))
        assert set(out.nodatavals) == {None} and "NODATA_VALUES" not in out.tags()
        assert out.count == (4 if ending == ".png" else 3)


def test_images_with_a_transparent_colour_become_png_like_others(tmp_path):
    (tmp_path / "in").mkdir()
    values = drawn((20, 20, 3), "uint8")
    Image.fromarray(values).save(tmp_path / "in/s.png", transparency=tuple(values[3, 4].tolist()))
    assert (
        main(
            [
                "infer-dir",
                "--image_dir",
                str(tmp_path / "in"),
                "--save_dir",
                str(tmp_path / "out"),
                "--model",
                "bicubic:2",
            ]
        )
        == 0
    )
    with Image.open(tmp_path / "out/s.png") as made:
        assert made.mode == "RGBA" and (np.asarray(made)[6:8, 8:10, 3] == 0).all()
