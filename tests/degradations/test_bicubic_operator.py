import numpy as np
import pytest
from scipy import fft

from segsr_arch.degradations import bicubic_operator as operator
from segsr_arch.degradations.bicubic import reduce_exactly
from segsr_arch.errors import DataError

SCALES = (2, 3, 4, 8)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("height", "width"), [(1, 2), (3, 5), (31, 12)])
def test_numbers_are_those_of_the_8_bit_reduction(scale, height, width):
    image = np.random.default_rng(0).integers(0, 256, (height * scale, width * scale, 3), np.uint8)
    exact = reduce_exactly(image, scale).transpose(2, 0, 1)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    assert np.abs(operator.reduce_bicubic(planes.astype(np.float64), scale) - exact).max() < 1e-12 * 255
    single = operator.reduce_bicubic(planes.astype(np.float32), scale)
    assert single.dtype == np.float32
    assert np.abs(single - exact).max() < 1e-6 * 255


@pytest.mark.parametrize("scale", SCALES)
def test_the_spreading_is_the_transpose_of_the_reduction(scale):
    generator = np.random.default_rng(1)
    image, reduced = generator.random((2, 7 * scale, 5 * scale)), generator.random((2, 7, 5))
    left = np.vdot(operator.reduce_bicubic(image, scale), reduced)
    assert left == pytest.approx(np.vdot(image, operator.spread_bicubic(reduced, scale)), rel=1e-12)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("length", [1, 2, 30, 95, 96, 97, 160])
def test_the_inverse_is_that_of_dense_algebra(scale, length):
    matrix = operator.reduction_matrix(length, scale).toarray()
    inverse = np.linalg.inv(matrix @ matrix.T)
    assert np.abs(operator.inverse_gram(length, scale).toarray() - inverse).max() < 3e-10 * inverse.max()


@pytest.mark.parametrize("scale", [2, 3, 4, 5, 8, 16])
def test_the_inverse_falls_by_a_factor_of_3_with_each_pixel_at_every_scale(scale):
    matrix = operator.reduction_matrix(96, scale).toarray()
    row = np.abs(np.linalg.inv(matrix @ matrix.T)[48])
    assert 2.9 < (row[54] / row[64]) ** 0.1 < 3.2
    assert row[48 + operator.INVERSE_REACH + 1] < 3e-10 * row[48]
    assert operator.projection_reach(scale) == 24


@pytest.mark.parametrize("scale", SCALES)
def test_a_projection_is_exact_orthogonal_and_smallest(scale):
    generator = np.random.default_rng(2)
    image, lr = generator.random((3, 30 * scale, 9 * scale)), generator.random((3, 30, 9))
    projected = operator.project(image, lr - operator.reduce_bicubic(image, scale), scale)
    assert np.abs(operator.reduce_bicubic(projected, scale) - lr).max() < 1e-9
    rows, columns = (np.linalg.pinv(operator.reduction_matrix(length, scale).toarray()) for length in (30, 9))
    known = image + rows @ (lr - operator.reduce_bicubic(image, scale)) @ columns.T
    assert np.abs(projected - known).max() < 1e-8


def test_the_energy_is_what_comes_back_from_a_pixels_own_kernel():
    one = np.zeros((1, 21, 21))
    one[0, 10, 10] = 1
    back = operator.reduce_bicubic(operator.spread_bicubic(one, 4), 4)
    assert back[0, 10, 10] == pytest.approx(operator.kernel_energy(4), rel=1e-12)


def test_wrong_input_is_named():
    with pytest.raises(DataError, match="62 x 64 cannot be reduced by 4"):
        operator.reduce_bicubic(np.zeros((3, 62, 64)), 4)
    with pytest.raises(DataError, match="uint8"):
        operator.reduce_bicubic(np.zeros((3, 64, 64), np.uint8), 4)


@pytest.mark.parametrize("scale", SCALES)
def test_cosines_are_the_eigenvectors_of_the_reduction_there_and_back(scale):
    for length in (1, 2, 3, 30):
        matrix = operator.reduction_matrix(length, scale).toarray()
        cosines = fft.idct(np.eye(length), axis=0, norm="ortho")
        values = operator.gram_eigenvalues(length, scale)
        assert np.abs(matrix @ matrix.T - cosines * values @ cosines.T).max() < 1e-12
        assert values.min() > 0


@pytest.mark.parametrize("scale", SCALES)
def test_a_projection_onto_a_noisy_image_is_that_of_dense_algebra(scale):
    generator = np.random.default_rng(3)
    image, residual = generator.random((2, 4 * scale, 3 * scale)), generator.random((2, 4, 3))
    rows, columns = (operator.reduction_matrix(length, scale).toarray() for length in (4, 3))
    both = np.kron(rows, columns)
    solved = np.linalg.solve(both @ both.T + 0.3 * np.eye(12), residual.reshape(2, 12).T)
    known = image + (both.T @ solved).T.reshape(image.shape)
    assert np.abs(operator.project_noisy(image, residual, scale, weight=0.3) - known).max() < 1e-12
    exact = operator.project(image, residual, scale)
    assert np.abs(operator.project_noisy(image, residual, scale, weight=0.0) - exact).max() < 1e-8
