import numpy as np
import pytest

from segsr_arch.scenes.source.description import describe_scene
from tests.scenes.rasters import shared_raster, write_raster


def notes(tmp_path, values, *, asked=None, **profile):
    return describe_scene(write_raster(tmp_path / "s.tif", values, **profile), value_range=asked).notes


def test_a_dark_image_of_16_bits_says_which_range_it_could_mean(tmp_path):
    values = np.linspace(300, 9277, 4096).reshape(64, 64)
    (note,) = notes(tmp_path, values.astype(np.uint16))
    assert note.startswith(
        "nearly all values that were looked at lie between 308 and 9268, a small part of the range of"
    )
    assert note.endswith("can be stated: --range 0 10000")
    (note,) = notes(tmp_path, (values - 2000).astype(np.int16))
    assert note.endswith("can be stated: --range -2000 8000")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_an_image_that_uses_the_range_of_its_type_says_nothing(tmp_path, dtype):
    limits = np.iinfo(dtype)
    assert notes(tmp_path, np.linspace(limits.min, limits.max, 4096).reshape(64, 64).astype(dtype)) == ()


def test_a_constant_image_says_nothing_of_a_range(tmp_path):
    assert notes(tmp_path, np.full((9, 9), 500, np.uint16)) == ()


def test_nodata_is_no_value_of_the_image(tmp_path):
    values = np.full((64, 64), 65535, np.uint16)
    values[5:60, 5:60] = np.linspace(100, 2000, 55 * 55).reshape(55, 55)
    (note,) = notes(tmp_path, values, nodata=65535)
    assert note.endswith("--range 0 2000")


def test_values_outside_of_a_stated_range_are_said(tmp_path):
    values = np.arange(2000, dtype=np.uint16).reshape(20, 100)
    assert notes(tmp_path, values, asked=(0, 1999)) == ()
    (note,) = notes(tmp_path, values, asked=(200, 999))
    assert note == (
        "60 % of the values that were looked at (0 to 1999) lie outside of the range (uint16, 200 to 999: --range); "
        "they are not clipped"
    )
    assert notes(tmp_path, values, asked=(1, 1999))[0].startswith("a few of the values that were looked at")


def test_values_outside_of_scale_and_offset_are_said(tmp_path):
    values = np.arange(2000, dtype=np.int16).reshape(20, 100)
    (note,) = notes(tmp_path, values, scales=[0.001])
    assert note.startswith("50 % of the values") and "0 to 1000: scale and offset of the file" in note


def test_bands_are_held_against_ranges_of_their_own(tmp_path):
    values = np.stack([np.full((9, 9), 40, np.uint8), np.full((9, 9), 90, np.uint8), np.zeros((9, 9), np.uint8)])
    asked = {"scales": [0.02, 0.01, 1], "photometric": "RGB"}  # 0 to 50, to 100, and to 255
    assert notes(tmp_path, values, **asked) == ()
    values[0] += 15
    (note,) = notes(tmp_path, values, **asked)
    assert note.startswith("33 % of the values")


def test_a_mosaic_of_16_bits_is_not_dark():
    assert len(describe_scene(shared_raster("mosaic_uint16.tif")).notes) == 1  # on its bands


def test_whole_numbers_that_float32_does_not_tell_apart_are_said(tmp_path):
    values = np.linspace(0, 2**23, 4096).astype(np.int32).reshape(64, 64)
    (note,) = notes(tmp_path, values, asked=(0, 2**24))
    assert note.startswith(
        "values from 0 to 8388608 are so far from 0, which is 0 to the network, that it does not tell"
    )
    assert notes(tmp_path, values, asked=(1, 2**24))[0].startswith("a few of the values")
    assert notes(tmp_path, values[:63], asked=(0, 2**24)) == ()
