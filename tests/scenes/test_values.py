"""Values and tags that an output must have, whatever its type and format."""

import numpy as np
import pytest
import rasterio
import torch

from segsr_arch.errors import ConfigError
from segsr_arch.scenes import layout as layouts
from segsr_arch.scenes import upscale
from tests.scenes.rasters import write_raster
from tests.scenes.test_upscaling import drawn, enlarged, nearest, read


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
