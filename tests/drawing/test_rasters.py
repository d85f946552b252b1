import numpy as np
import pytest
import rasterio

from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.drawing.rasters import raster_psnr, write_drawn_raster
from segsr_arch.drawing.scenes import draw_scene


def test_a_drawn_raster_and_what_it_was_made_of_lie_at_one_place(tmp_path):
    low, high = write_drawn_raster(tmp_path / "new", kind="harbor", size=40, scale=4, seed=2)
    with rasterio.open(low) as lr, rasterio.open(high) as hr:
        assert (lr.shape, hr.shape) == ((40, 40), (160, 160)) and lr.count == hr.count == 4
        assert lr.bounds == hr.bounds and lr.crs == hr.crs == "EPSG:32633" and lr.res == (2, 2)
        assert lr.descriptions == ("red", "green", "blue", "near infrared") and lr.nodata == 0
        reduced = np.maximum(make_lr(draw_scene(2, "harbor", 160), 4).transpose(2, 0, 1), 1)
        valid = lr.dataset_mask() > 0
        assert 0 < (~valid).mean() < 0.1
        np.testing.assert_array_equal(lr.read([1, 2, 3])[:, valid], reduced[:, valid])
        offset = lr.read().astype(int) + 3 * (lr.read() > 0)
        with rasterio.open(tmp_path / "brighter.tif", "w", **lr.profile) as brighter:
            brighter.colorinterp = lr.colorinterp
            brighter.write(offset.clip(0, 255).astype("uint8"))
    assert raster_psnr(low, tmp_path / "brighter.tif", bands=(1, 2, 3)) == pytest.approx(
        20 * np.log10(255 / 3), abs=0.1
    )
    again, _ = write_drawn_raster(tmp_path / "again", kind="harbor", size=40, scale=4, seed=2)
    assert again.read_bytes() == low.read_bytes()
