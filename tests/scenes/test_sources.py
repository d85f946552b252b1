"""Where scenes come from: whatever GDAL opens."""

import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import rasterio.shutil
import tifffile
from rasterio.enums import ColorInterp

from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.windows import Window
from tests.scenes.rasters import write_raster
from tests.support import make_image, started

RGB = make_image(1, 40, 56).transpose(2, 0, 1)


def pixels_of(scene):
    with SceneReader(scene) as reader:
        return reader.read(Window(height=scene.height, width=scene.width)).values


def test_jpeg_2000_is_read(tmp_path):
    write_raster(tmp_path / "s.tif", RGB, photometric="RGB")
    options = {"driver": "JP2OpenJPEG", "quality": 100, "reversible": True}
    rasterio.shutil.copy(tmp_path / "s.tif", tmp_path / "s.jp2", **options)
    scene = describe_scene(tmp_path / "s.jp2")
    assert np.array_equal(pixels_of(scene), RGB) and scene.metadata.crs == "EPSG:32633"


@pytest.mark.parametrize("driver", ["PNG", "GTiff"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_images_without_a_place_are_read(tmp_path, driver, dtype):
    values = RGB.astype(dtype) * (np.iinfo(dtype).max // 255)
    path = write_raster(tmp_path / "s", values, driver=driver, photometric="RGB", crs=None, transform=None)
    scene = describe_scene(path)
    assert np.array_equal(pixels_of(scene), values)
    assert scene.notes == (f"{path} has no coordinate reference system; neither has what is made of it",)
    assert scene.metadata.transform is None


def test_grey_with_alpha_is_read(tmp_path):
    colours = [ColorInterp.gray, ColorInterp.alpha]
    scene = describe_scene(write_raster(tmp_path / "s.png", RGB[:2], driver="PNG", colours=colours))
    assert [band.role for band in scene.bands] == ["network", "alpha"] and scene.network_bands == (0,)


def test_a_raster_in_an_archive_is_read(tmp_path):
    path = write_raster(tmp_path / "s.tif", RGB)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.write(path, "inner/s.tif")
    scene = describe_scene(f"/vsizip/{tmp_path}/s.zip/inner/s.tif")
    assert np.array_equal(pixels_of(scene), RGB)
    assert scene.identity["path"] == f"/vsizip/{tmp_path}/s.zip/inner/s.tif"


def test_a_raster_on_the_net_is_read(tmp_path):
    write_raster(tmp_path / "s.tif", RGB)
    # in another process: GDAL is asked with Python's lock held
    command = [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", tmp_path]
    with started(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as server:
        port = re.search(r"port (\d+)", server.stdout.readline())[1]
        with rasterio.Env(GDAL_HTTP_NOPROXY="127.0.0.1", GDAL_HTTP_TIMEOUT=60):
            scene = describe_scene(f"/vsicurl/http://127.0.0.1:{port}/s.tif")
            assert np.array_equal(pixels_of(scene), RGB)
        assert (scene.identity["size"], scene.identity["mtime_ns"]) == (None, None)
        server.terminate()


def test_the_first_of_several_pages_is_read_and_that_is_said(tmp_path):
    path = tmp_path / "s.tif"
    pages = [RGB.transpose(1, 2, 0), 255 - RGB.transpose(1, 2, 0)]
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(np.ascontiguousarray(page), photometric="rgb", metadata=None)
    scene = describe_scene(path)
    assert np.array_equal(pixels_of(scene), RGB)
    assert f"{path} holds 2 rasters; the first is upscaled" in scene.notes


def test_a_nodata_value_that_no_pixel_can_have_is_none(tmp_path):
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, RGB[0], extratags=[(42113, "s", 0, "-9999", True)])
    scene = describe_scene(path)
    assert scene.bands[0].nodata is None and np.array_equal(pixels_of(scene), RGB[:1])
