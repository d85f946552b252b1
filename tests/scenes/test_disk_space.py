"""How large files will be, and whether there is room for them."""

import shutil
from collections import namedtuple

import numpy as np
import pytest

from segsr_arch.errors import SaveError
from segsr_arch.scenes.output.disk_space import DiskNeed, check_room, compressed_share
from tests.scenes.jobs import random_values, spec_of, write_tiled

Usage = namedtuple("Usage", "total used free")


def smooth(height, width):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([(100 + 50 * np.sin(rows / 9 + band) * np.cos(columns / 7)).astype(np.uint8) for band in range(3)])


def share_of(values, spec):
    def read(window):
        return values[(slice(None), *window.slices)]

    return compressed_share(read, height=spec.height, width=spec.width, coding=spec.coding)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("cog", [False, True])
@pytest.mark.parametrize("compress", ["deflate", "zstd", "lzw", "none"])
def test_the_guess_is_near_what_the_file_takes(tmp_path, compress, cog):
    values = smooth(700, 600)
    spec = spec_of(values, block=128, compress=compress, cog=cog)
    share = share_of(values, spec)
    need = DiskNeed.of([spec], share=share)
    write_tiled(tmp_path / "made.tif", values, block=128, compress=compress, cog=cog)
    assert need.uncompressed == values.nbytes
    assert (tmp_path / "made.tif").stat().st_size == pytest.approx(need.output, rel=0.3)
    assert need.peak == pytest.approx(2 * need.output if cog else need.output, abs=2)
    assert need.least == (values.nbytes if compress == "none" else 0)


@pytest.mark.parametrize(
    ("values", "least", "most"),
    [(random_values(0, (1, 90, 80), "uint8"), 1, 2), (np.zeros((1, 90, 80), np.uint8), 0, 0.1)],
    ids=["noise", "zeros"],
)
def test_noise_takes_all_of_its_bytes_and_a_constant_next_to_none(values, least, most):
    assert least <= share_of(values, spec_of(values, block=128)) <= most


def test_room_that_may_not_be_enough_is_said_and_what_cannot_be_enough_refused(tmp_path, monkeypatch):
    need = DiskNeed(least=5 * 10**9, uncompressed=5 * 10**9, output=7 * 10**9, peak=14 * 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 10 * 10**9))
    assert "about 14.00 GB are needed while it is written and" in check_room(tmp_path / "new/out.tif", need)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 4 * 10**9))
    with pytest.raises(SaveError, match=r"out\.tif: 5\.00 GB are written and .* has 4\.00 GB free"):
        check_room(tmp_path / "new/out.tif", need)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 15 * 10**9))
    assert check_room(tmp_path / "new/out.tif", need) is None
    assert not (tmp_path / "new").exists()
