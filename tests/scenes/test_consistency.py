import numpy as np
import pytest

from segsr_arch.degradations import bicubic_operator as operator
from segsr_arch.errors import DataError
from segsr_arch.scenes import consistency
from segsr_arch.windows import Window

TYPES = ("uint8", "uint16", "int16", "float32")


def lively(scale, height, width, dtype, *, seed=0, noise=0.05):
    """An LR image, flat in parts, and an output that is not consistent with it, both in the units of the type."""
    generator = np.random.default_rng(seed)
    coarse = np.kron(generator.uniform(0.3, 0.7, (2, height // 6 + 1, width // 6 + 1)), np.ones((6, 6)))
    unit = coarse[:, :height, :width]
    unit = unit + generator.normal(0, noise, unit.shape)
    sr = np.kron(unit, np.ones((scale, scale))) + generator.normal(0, noise, (2, scale * height, scale * width))
    low, high = {"uint8": (0, 255), "uint16": (0, 65535), "int16": (-32768, 32767), "float32": (0, 1)}[dtype]
    lr = low + unit * (high - low)
    return low + sr * (high - low), lr.astype(dtype) if dtype == "float32" else np.rint(lr).astype(dtype)


def stored(sr, dtype):
    """What is written without the projection."""
    if dtype == "float32":
        return sr.astype(dtype)
    limits = np.iinfo(dtype)
    return np.rint(sr).clip(limits.min, limits.max).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_reduced_output_is_the_input_to_within_half_a_unit(dtype, scale):
    sr, lr = lively(scale, 40, 31, dtype)
    projected = consistency.project(sr, lr, scale=scale)
    assert projected.dtype == dtype
    reduced = operator.reduce_bicubic(projected.astype(np.float64), scale)
    if dtype == "float32":
        assert np.abs(reduced - lr).max() < 5e-7
    else:
        limits = np.iinfo(dtype)
        assert np.array_equal(np.rint(reduced.clip(limits.min, limits.max)), lr)
    after = consistency.measure(projected, lr, scale=scale)
    assert after.pixels == lr.size and after.missed == 0
    before = consistency.measure(stored(sr, dtype), lr, scale=scale)
    assert before.missed > lr.size / 2 and after.mean < before.mean / 10


def test_what_cannot_be_met_is_counted():
    lr = np.zeros((1, 21, 21), np.uint8)
    lr[0, 10, 10] = 255  # the kernels of its neighbours reach into what has to be bright for it
    projected = consistency.project(np.zeros((1, 84, 84)), lr, scale=4)
    left = consistency.measure(projected, lr, scale=4)
    difference = np.abs(operator.reduce_bicubic(projected.astype(np.float64), 4).clip(0, 255) - lr)
    assert left.missed == (difference > 0.5).sum() > 0
    assert left.largest == pytest.approx(difference.max(), abs=1e-4)  # in float32
    assert left.total == pytest.approx(difference.sum(), rel=1e-5)


def test_overshoot_of_the_reduction_at_the_ends_of_a_type_is_no_difference():
    sr = np.zeros((1, 64, 64), np.uint8)
    sr[:, :, 32:] = 255
    reduced = operator.reduce_bicubic(sr.astype(np.float64), 4)
    assert reduced.min() < -2 and reduced.max() > 257
    lr = np.rint(reduced.clip(0, 255)).astype(np.uint8)
    assert consistency.measure(sr, lr, scale=4).largest <= 0.5


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_nearly_all_that_can_be_met_is_met_among_saturated_pixels(scale):
    generator = np.random.default_rng(4)
    coarse = np.kron(generator.random((1, 6, 6)) < 0.5, np.ones((7 * scale, 7 * scale)))
    gt = np.rint((375 * coarse - 60 + generator.normal(0, 30, coarse.shape)).clip(0, 255))
    lr = np.rint(operator.reduce_bicubic(gt, scale).clip(0, 255)).astype(np.uint8)
    assert ((lr == 0) | (lr == 255)).mean() > 0.3
    sr = np.kron(lr, np.ones((scale, scale))) + generator.normal(0, 15, gt.shape)
    assert consistency.measure(stored(sr, "uint8"), lr, scale=scale).missed > lr.size / 3
    after = consistency.measure(consistency.project(sr, lr, scale=scale), lr, scale=scale)
    assert after.missed <= 0.003 * lr.size and after.largest < 1


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pixels_without_data_change_nothing_around_them(scale, dtype):
    sr, lr = lively(scale, 40, 40, dtype, noise=0.02)
    valid = np.ones(lr.shape, np.bool_)
    valid[:, 10:14, 7:30] = False
    valid[0, 30, 30] = False
    spoilt = np.where(valid, lr, 1 if dtype == "uint8" else np.nan).astype(dtype)
    projected = consistency.project(sr, spoilt, scale=scale, valid=valid)
    reduced = operator.reduce_bicubic(projected.astype(np.float64), scale)
    assert np.abs(reduced - lr)[valid].max() <= (0.5 if dtype == "uint8" else 5e-7)
    # Another value there is as good, and what is there in the output is no matter of the measure.
    other = np.where(valid, lr, 200 if dtype == "uint8" else np.inf).astype(dtype)
    assert np.array_equal(consistency.project(sr, other, scale=scale, valid=valid), projected)
    holes = np.kron(~valid, np.ones((scale, scale))).astype(bool)
    projected[holes] = 0
    measured = consistency.measure(projected, spoilt, scale=scale, valid=valid)
    assert measured.missed == 0
    assert measured.pixels == lr.size - 2 * 8 * 27 - 25


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scale", [2, 4])
def test_pieces_are_measured_as_the_whole(dtype, scale):
    sr, lr = lively(scale, 37, 29, dtype)
    output = stored(sr, dtype)
    valid = np.random.default_rng(3).random(lr.shape) < 0.995
    whole = consistency.measure(output, lr, scale=scale, valid=valid)
    everything = Window(height=37, width=29)
    total = consistency.Consistency()
    for top, bottom in ((0, 9), (9, 23), (23, 37)):
        for left, right in ((0, 17), (17, 29)):
            inner = Window(top=top, left=left, height=bottom - top, width=right - left)
            piece = inner.grown(consistency.measuring_halo(scale), within=everything)
            total += consistency.measure(
                output[(..., *piece.scaled(scale).slices)],
                lr[(..., *piece.slices)],
                scale=scale,
                valid=valid[(..., *piece.slices)],
                inner=inner.relative_to(piece),
            )
    assert (total.pixels, total.missed, total.largest) == (whole.pixels, whole.missed, whole.largest)
    assert total.mean == pytest.approx(whole.mean, rel=1e-13)
    assert 0 < whole.pixels < lr.size


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_pieces_are_projected_as_the_whole(dtype, scale):
    height, width = 130, 7
    sr, lr = lively(scale, height, width, dtype)
    if dtype == "uint16":  # as large a difference as there can be
        lr[:, 64] = 65535 - lr[:, 64]
    whole = consistency.project(sr, lr, scale=scale)
    everything = Window(height=height, width=width)
    joined = np.empty_like(whole)
    for top, bottom in ((0, 40), (40, 71), (71, 130)):
        inner = Window(top=top, height=bottom - top, width=width)
        piece = inner.grown(consistency.projection_halo(scale, lr.dtype), within=everything)
        part = consistency.project(sr[(..., *piece.scaled(scale).slices)], lr[(..., *piece.slices)], scale=scale)
        joined[(..., *inner.scaled(scale).slices)] = part[(..., *inner.relative_to(piece).scaled(scale).slices)]
    if dtype == "float32":
        assert np.abs(joined - whole).max() < 1e-4 / 65535
    else:
        # Whole numbers differ where a value lies, to 1e-4, half-way between two.
        assert (joined != whole).mean() < 1e-3 and np.abs(joined.astype(float) - whole).max() <= 1
    measured = consistency.measure(joined, lr, scale=scale)
    assert measured.missed == consistency.measure(whole, lr, scale=scale).missed


def test_the_halo_is_as_far_as_a_change_is_felt():
    sr, lr = lively(4, 120, 5, "uint16")
    other = lr.copy()
    other[:, 0] = np.where(lr[:, 0] > 32767, 0, 65535)
    projected = [operator.project(sr, each - operator.reduce_bicubic(sr, 4), 4) for each in (lr, other)]
    felt = np.abs(projected[0] - projected[1]).max(axis=(0, 2)).reshape(-1, 4).max(axis=1)
    halo = consistency.projection_halo(4, np.dtype("float32"))
    assert felt[halo:].max() < 1e-4 < felt[halo - 12]


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="not 4 times"):
        consistency.project(np.zeros((1, 8, 8)), np.zeros((1, 4, 4), np.uint8), scale=4)
    with pytest.raises(DataError, match="type of the input, uint8, got uint16"):
        consistency.measure(np.zeros((1, 8, 8), np.uint16), np.zeros((1, 4, 4), np.uint8), scale=2)


def test_nothing_compared_has_no_mean():
    nothing = np.zeros((1, 4, 4), np.bool_)
    measured = consistency.measure(np.zeros((1, 8, 8)), np.zeros((1, 4, 4)), scale=2, valid=nothing)
    assert measured == consistency.Consistency() and np.isnan(measured.mean)
