import sys

import pytest

from tests.support import run_command

CODE = """
import sys
import numpy as np, rasterio
from segsr_arch.scenes import upscale
from segsr_arch.scenes.report import peak_memory

def nearest(tiles):
    return tiles.repeat_interleave(4, -1).repeat_interleave(4, -2)

def peak_after(width, height):
    path = f"{sys.argv[1]}/{width}x{height}.tif"
    profile = dict(driver="GTiff", width=width, height=height, count=3, dtype="uint8", tiled=True, photometric="RGB")
    with rasterio.open(path, "w", SPARSE_OK=True, compress="deflate", crs="EPSG:32633",
                       transform=rasterio.transform.from_origin(0, 0, 1, 1), **profile):
        pass
    upscale(path, f"{path[:-4]}_up.tif", nearest, batch=16, cog=False)
    return peak_memory() / 1e6

print(peak_after(int(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak memory of a process")
def test_memory_does_not_grow_with_the_scene(tmp_path):
    peaks = []
    for width, height in ((1400, 1000), (2700, 2000)):
        command = [sys.executable, "-W", "ignore", "-c", CODE, tmp_path, width, height]
        done = run_command(command, cwd=tmp_path, seconds=300)
        assert done.returncode == 0, done.stderr
        peaks.append(float(done.stdout.split()[-1]))
    sums = 4 * 3 * 16 * (2700 * 2000 - 1400 * 1000) / 1e6  # MB that float32 sums of the whole output would be more
    assert sums > 700 and peaks[1] - peaks[0] < 120, peaks  # what malloc leaves unused varies
