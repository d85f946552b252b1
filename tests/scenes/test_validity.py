import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from segsr_arch.scenes.source.scene import Band, Pixels
from segsr_arch.scenes.source.validity import fill_invalid, restore
from tests.scenes.rasters import write_raster

SHAPES = arrays.array_shapes(min_dims=3, max_dims=3, max_side=7)


@st.composite
def pixels_of_any_validity(draw):
    shape = draw(SHAPES)
    values = draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    return values, draw(arrays.arrays(bool, shape))


@given(pixels_of_any_validity())
def test_invalid_pixels_are_filled_with_the_nearest_valid_one(pixels):
    unit, valid = pixels
    garbage = np.where(valid, unit, np.float32(np.nan))
    filled = fill_invalid(garbage, valid)
    assert filled.dtype == np.float32 and np.isfinite(filled).all()
    for band, known in enumerate(valid):
        assert np.array_equal(filled[band][known], unit[band][known])
        places = np.argwhere(known)
        for row, column in np.argwhere(~known):
            if not len(places):
                assert filled[band, row, column] == 0
                continue
            distances = ((places - (row, column)) ** 2).sum(1)
            nearest = places[distances == distances.min()]
            assert filled[band, row, column] in unit[band][tuple(nearest.T)]


def test_valid_pixels_are_not_copied():
    unit = np.zeros((3, 4, 4), np.float32)
    assert fill_invalid(unit, np.broadcast_to(np.True_, unit.shape)) is unit


@given(pixels_of_any_validity(), st.integers(1, 4), st.sampled_from([0, 7, 255]))
def test_invalid_pixels_come_back_and_valid_ones_stay_off_nodata(pixels, scale, nodata):
    unit, valid = pixels
    stored = (unit * 255).astype(np.uint8)
    sr = (255 * np.random.default_rng(0).random((stored.repeat(scale, 1).repeat(scale, 2)).shape)).astype(np.uint8)
    sr[:, ::2] = nodata
    before = sr.copy()
    bands = [Band(index=index + 1, role="rest", nodata=nodata) for index in range(len(stored))]
    assert restore(sr, Pixels(values=stored, valid=valid), bands, scale=scale) is sr
    known = valid.repeat(scale, 1).repeat(scale, 2)
    assert np.array_equal(sr[~known], stored.repeat(scale, 1).repeat(scale, 2)[~known])
    neighbour = 1 if nodata == 0 else nodata - 1
    assert np.array_equal(sr[known], np.where(before == nodata, neighbour, before)[known])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("nodata", [0.0, -9999.0, 1.0, 1e30, -np.inf])
def test_floats_are_moved_so_far_that_gdal_takes_them_for_valid(tmp_path, dtype, nodata):
    near = np.array([nodata, np.nextafter(nodata, 0, dtype=dtype), 0.5], dtype).reshape(1, 1, 3)
    pixels = Pixels(values=near, valid=np.ones(near.shape, bool))
    moved = restore(near.copy(), pixels, [Band(index=1, role="network", nodata=nodata)], scale=1)
    with rasterio.open(write_raster(tmp_path / "moved.tif", moved, nodata=nodata)) as dataset:
        assert dataset.read_masks(1).all()
    assert np.allclose(moved, np.nan_to_num(near, neginf=np.finfo(dtype).min), rtol=1e-5, atol=1e-30)


def test_alpha_is_the_source_s_in_squares():
    alpha = np.array([[[0, 128], [255, 3]]], np.uint8)
    sr = np.full((1, 6, 6), 77, np.uint8)
    restore(sr, Pixels(values=alpha, valid=np.ones(alpha.shape, bool)), [Band(index=4, role="alpha")], scale=3)
    assert np.array_equal(sr, alpha.repeat(3, 1).repeat(3, 2))


def test_part_of_a_larger_array_is_restored_in_place():
    whole = np.full((1, 8, 8), 9, np.uint8)
    pixels = Pixels(values=np.full((1, 2, 2), 5, np.uint8), valid=np.array([[[True, False], [True, True]]]))
    restore(whole[:, 2:6, 2:6], pixels, [Band(index=1, role="network")], scale=2)
    expected = np.full((8, 8), 9)
    expected[2:4, 4:6] = 5
    assert np.array_equal(whole[0], expected)


def test_a_nodata_value_that_is_no_number_moves_nothing():
    sr = np.array([[[0.5, 0.25]]], np.float32)
    pixels = Pixels(values=sr.copy(), valid=np.ones(sr.shape, bool))
    assert np.array_equal(restore(sr, pixels, [Band(index=1, role="rest", nodata=np.nan)], scale=1), [[[0.5, 0.25]]])
