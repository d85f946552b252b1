import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.scenes.source.radiometry import FARTHEST, state_radiometry

WHOLE_TYPES = ("uint8", "int8", "uint16", "int16")


def stated(dtype, *, value_range=None, scale=1.0, offset=0.0):
    return state_radiometry("s.tif", dtype, scales=[scale], offsets=[offset], network=[0], value_range=value_range)


def every_value(dtype):
    limits = np.iinfo(dtype)
    return np.arange(limits.min, limits.max + 1).astype(dtype).reshape(1, 16, -1)


def there_and_back(radiometry, values):
    unit = radiometry.to_unit(values, [0])
    assert unit.dtype == np.float32
    back = radiometry.from_unit(unit, [0])
    assert back.dtype == values.dtype
    return back


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_all_values_of_a_type_come_back_and_its_ends_are_zero_and_one(dtype):
    radiometry, values = stated(dtype), every_value(dtype)
    unit = radiometry.to_unit(values, [0])
    assert unit.min() == 0 and unit.max() == 1
    assert np.array_equal(there_and_back(radiometry, values), values)


@given(
    dtype=st.sampled_from(WHOLE_TYPES),
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
)
def test_all_whole_numbers_come_back_whatever_the_range(dtype, low, span):
    values = every_value(dtype)
    assert np.array_equal(there_and_back(stated(dtype, value_range=(low, low + span)), values), values)


@given(low=st.integers(-(2**30), 2**30), span=st.floats(1, 2**24), seed=st.integers(0, 99))
def test_large_whole_numbers_come_back_as_far_as_float32_tells_them_apart(low, span, seed):
    away = np.random.default_rng(seed).integers(1 - FARTHEST, FARTHEST, (1, 4, 256), dtype=np.int64)
    away[0, 0, :2] = 1 - FARTHEST, FARTHEST - 1
    values = (low + away).astype(np.int32)
    assert np.array_equal(there_and_back(stated("int32", value_range=(low, low + span)), values), values)


@given(scale=st.floats(1e-5, 10), offset=st.floats(-10, 10))
def test_all_whole_numbers_come_back_whatever_scale_and_offset(scale, offset):
    values = every_value("uint16")
    assert np.array_equal(there_and_back(stated("uint16", scale=scale, offset=offset), values), values)


@given(values=st.lists(st.floats(0, 1, width=32), min_size=1))
def test_floats_without_a_range_are_what_the_network_gets_and_come_back(values):
    values = np.array(values, np.float32).reshape(1, 1, -1)
    radiometry = stated("float32")
    assert np.array_equal(radiometry.to_unit(values, [0]), values)
    assert np.array_equal(radiometry.from_unit(values.astype(np.float64), [0]), values)


@given(
    value=st.floats(-1e6, 1e6, width=32),
    low=st.integers(-(10**9), 10**9).map(lambda thousandths: thousandths / 1000),
    span=st.floats(1e-3, 1e6),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_floats_of_another_range_come_back_to_within_a_unit_in_the_last_place(value, low, span, dtype):
    values = np.array([[[value]]], dtype)
    back = there_and_back(stated(dtype, value_range=(low, low + span)), values)
    assert abs(float(back[0, 0, 0]) - value) <= 2.0**-23 * max(abs(value), abs(value - low)) + 1e-38


def test_scale_and_offset_say_which_values_are_zero_and_one():
    radiometry = stated("uint16", scale=1e-4, offset=-0.1)  # Sentinel-2, level 2A
    assert radiometry.low == pytest.approx([1000]) and radiometry.high == pytest.approx([11000])
    assert radiometry.words == "uint16, 1000 to 11000: scale and offset of the file"


def test_a_range_that_is_asked_for_goes_before_scale_and_offset():
    radiometry = stated("uint16", scale=1e-4, value_range=(0, 3000))
    assert (radiometry.low, radiometry.high) == ((0,), (3000,))
    assert radiometry.words == "uint16, 0 to 3000: --range"


def test_bands_have_ranges_of_their_own():
    radiometry = state_radiometry("s.tif", "uint8", scales=[1, 0.01], offsets=[0, 0], network=[0, 1])
    unit = radiometry.to_unit(np.full((2, 1, 1), 51, np.uint8), [1, 0])
    assert unit.ravel() == pytest.approx([0.51, 0.2])
    assert np.array_equal(radiometry.from_unit(unit, [1, 0]).ravel(), [51, 51])


@pytest.mark.parametrize(
    ("unit", "stored"), [(1.5, 150), (3.0, 255), (-0.5, 0), (0.005, 0), (0.015, 2), (0.025, 2), (0.035, 4)]
)
def test_values_are_clipped_to_the_type_alone_and_rounded_half_to_even(unit, stored):
    radiometry = stated("uint8", value_range=(0, 100))
    assert radiometry.from_unit(np.full((1, 1, 1), unit), [0]) == stored


def test_what_invalid_pixels_hold_gives_no_warning():
    values = np.array([[[np.nan, np.inf, -np.inf, -1.7e308, 0.5]]])
    unit = stated("float64", value_range=(0, 2)).to_unit(values, [0])
    assert unit[0, 0, -1] == 0.25


@pytest.mark.parametrize("dtype", ["int8", "uint32", "int32", "float64"])
def test_types_without_a_range_of_their_own_need_one(dtype):
    with pytest.raises(DataError, match=f"^s.tif: values of type {dtype} have no range .* --range LO HI"):
        stated(dtype)
    assert stated(dtype, value_range=(0, 9)).high == (9,)
    assert stated(dtype, scale=0.5).high == (2,)


def test_bands_that_the_network_does_not_get_need_no_range():
    radiometry = state_radiometry("s.tif", "int32", scales=[0.1, 1], offsets=[0, 0], network=[0])
    assert radiometry.high == (10, 1) and "1:" not in radiometry.words.replace("10", "")


@pytest.mark.parametrize("value_range", [(1, 1), (2, 1), (0, float("nan")), (0, float("inf"))])
def test_a_range_is_two_numbers_the_smaller_one_first(value_range):
    with pytest.raises(ConfigError, match="--range .*LO the smaller one"):
        stated("uint8", value_range=value_range)


@pytest.mark.parametrize(("scale", "offset"), [(0.0, 1.0), (float("nan"), 0.0), (1.0, float("inf"))])
def test_scale_and_offset_that_say_nothing_are_refused(scale, offset):
    with pytest.raises(DataError, match="^s.tif: its scale .* --range LO HI"):
        stated("uint8", scale=scale, offset=offset)


def test_a_range_that_is_too_far_away_to_tell_values_apart_is_refused():
    with pytest.raises(DataError, match="^s.tif: from -1e.07 to 1e.07 is so far that single values of uint16"):
        stated("uint16", value_range=(-1e7, 1e7))
