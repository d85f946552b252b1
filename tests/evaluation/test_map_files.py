import numpy as np
import pytest
import torch

from segsr_arch.errors import DataError
from segsr_arch.evaluation.map_files import read_grid, read_maps
from segsr_arch.results.references import ImageReference


def save(path, **arrays):
    np.savez(path, **arrays)
    return ImageReference(path=str(path))


def test_maps_are_laid_by_position(tmp_path):
    # Two cells side by side, each four LR pixels wide: the second covers the LR columns 4 to 7, SR columns 16 to 31.
    maps = np.array([[[0.0, 1.0]]], dtype=np.float16)
    reference = save(tmp_path / "a.npz", maps=maps, cells_per_pixel=0.25)
    on_lr = read_maps(reference, size=(2, 8))
    on_sr = read_maps(reference, size=(8, 32), cells=1 / 4)
    assert on_lr.shape == (1, 2, 8)
    assert on_lr.dtype == torch.float32
    torch.testing.assert_close(on_lr[0, 0], torch.tensor([0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]))
    torch.testing.assert_close(on_sr[0, 0].unfold(0, 4, 4).mean(1)[2:6], on_lr[0, 0, 2:6])


def test_what_is_not_there_or_no_maps_is_refused(tmp_path):
    with pytest.raises(DataError, match="maps are not there"):
        read_maps(ImageReference(path=str(tmp_path / "none.npz")), size=(2, 2))
    with pytest.raises(DataError, match="holds no guidance maps"):
        read_maps(save(tmp_path / "b.npz", other=np.zeros(3)), size=(2, 2))
    (tmp_path / "c.npz").write_bytes(b"text")
    with pytest.raises(DataError, match="holds no guidance maps"):
        read_maps(ImageReference(path=str(tmp_path / "c.npz")), size=(2, 2))
    nan = save(tmp_path / "d.npz", maps=np.full((1, 2, 2), np.nan), cells_per_pixel=1.0)
    with pytest.raises(DataError, match="finite maps"):
        read_maps(nan, size=(2, 2))


@pytest.mark.parametrize("content", [b"", b"PK", b"\x93NUMPY"])
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "e.npz").write_bytes(content)
    with pytest.raises(DataError, match="e.npz: holds no guidance maps"):
        read_grid(ImageReference(path=str(tmp_path / "e.npz")))


@pytest.mark.parametrize("step", [np.nan, np.inf, 0.0, -1.0])
def test_a_grid_without_a_size_is_refused(tmp_path, step):
    with pytest.raises(DataError, match="no cosines on a patch grid"):
        read_grid(save(tmp_path / "f.npz", maps=np.zeros((1, 2, 2)), cells_per_pixel=step))


def test_values_that_are_no_cosines_are_refused(tmp_path):
    with pytest.raises(DataError, match="no cosines"):
        read_grid(save(tmp_path / "g.npz", maps=np.full((1, 2, 2), 7.0), cells_per_pixel=1.0))


@pytest.mark.parametrize("place", [100, 200, 600, 2000])
def test_bytes_that_changed_on_the_disk_are_refused(tmp_path, place):
    path = tmp_path / "h.npz"
    np.savez_compressed(path, maps=np.random.default_rng(0).normal(0, 0.1, (3, 16, 16)), cells_per_pixel=0.25)
    data = bytearray(path.read_bytes())
    data[place : place + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(DataError, match="h.npz: holds no guidance maps"):
        read_grid(ImageReference(path=str(path)))
