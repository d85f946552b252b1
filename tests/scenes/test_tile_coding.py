"""Tiles as TIFF holds them, read by GDAL."""

import numpy as np
import pytest
import rasterio

from segsr_arch.errors import ConfigError
from segsr_arch.scenes.options import COMPRESSIONS
from segsr_arch.scenes.output.tile_coding import SAMPLE_TYPES, TileCoding
from tests.scenes.jobs import random_values, write_tiled

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("count", [1, 3, 4, 13])
@pytest.mark.parametrize("dtype", SAMPLE_TYPES)
def test_gdal_reads_every_type_band_count_and_compression_exactly(tmp_path, dtype, count, compress):
    values = random_values(0, (count, 50, 39), dtype)
    write_tiled(tmp_path / "made.tif", values, block=32, compress=compress)
    with rasterio.open(tmp_path / "made.tif") as dataset:
        assert set(dataset.dtypes) == {dtype}
        assert dataset.block_shapes == [(32, 32)] * count
        assert np.array_equal(dataset.read(), values)
        assert dataset.profile.get("compress", "none") == compress
        predictor = dataset.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR")
    assert predictor == (None if compress == "none" else "3" if dtype.startswith("float") else "2")


def test_more_bands_than_opencv_takes(tmp_path):
    values = random_values(0, (130, 20, 17), "uint16")
    write_tiled(tmp_path / "made.tif", values, block=16, compress="deflate")
    with rasterio.open(tmp_path / "made.tif") as dataset:
        assert np.array_equal(dataset.read(), values)


def test_infinities_and_payloads_of_nan_survive(tmp_path):
    values = np.array([[[np.inf, -np.inf, -0.0, np.nan]]], np.float32)
    values.view(np.uint32)[0, 0, 3] |= 0x1234
    write_tiled(tmp_path / "made.tif", values, block=16)
    with rasterio.open(tmp_path / "made.tif") as dataset:
        assert dataset.read().tobytes() == values.tobytes()


def test_what_fills_up_a_tile_takes_next_to_no_room():
    coding = TileCoding(count=1, dtype="uint8", block=512)
    noise = random_values(1, (1, 512, 8), "uint8")
    assert len(coding.encode(noise)) < noise.size * 1.6


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"compress": "jpeg"}, "compress: 'jpeg' is not known; known: deflate, zstd, lzw, none"),
        ({"dtype": "complex64"}, "complex64"),
        ({"block": 40}, "multiple of 16"),
        ({"count": 0}, "at least one band"),
    ],
)
def test_tiles_that_tiff_does_not_have_are_refused(changed, message):
    with pytest.raises(ConfigError, match=message):
        TileCoding(**{"count": 1, "dtype": "uint8", "block": 16, "compress": "zstd", **changed})
