"""A scene is another one once anything that is read of it has changed, wherever that lies."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image

from segsr_arch.errors import ConfigError
from segsr_arch.scenes import upscale
from segsr_arch.scenes.source.description import describe_scene
from segsr_arch.scenes.source.source_state import files_of
from tests.scenes.rasters import write_raster
from tests.scenes.test_upscaling import drawn, nearest

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
RGB = drawn((3, 20, 20), "uint8")


def age(path, seconds=1):
    """Have a file be older than it is, so that what is written next is newer."""
    status = os.stat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - int(seconds * 1e9)))


def test_a_world_file_that_was_mended_is_not_passed_over(tmp_path):
    Image.fromarray(RGB.transpose(1, 2, 0)).save(tmp_path / "s.png")
    (tmp_path / "s.pgw").write_text("10\n0\n0\n-10\n500005\n4999995\n")
    upscale(tmp_path / "s.png", tmp_path / "up.tif", nearest)
    assert upscale(tmp_path / "s.png", tmp_path / "up.tif", nearest).skipped
    (tmp_path / "s.pgw").write_text("10\n0\n0\n-10\n600005\n4999995\n")
    with pytest.raises(
        ConfigError, match=r"up\.tif exists \(.*scene\.transform: \[10\.0, .*5.*then, \[10\.0, .*6.*now.*--overwrite"
    ):
        upscale(tmp_path / "s.png", tmp_path / "up.tif", nearest)
    assert not upscale(tmp_path / "s.png", tmp_path / "up.tif", nearest, overwrite=True).skipped
    with rasterio.open(tmp_path / "up.tif") as dataset:
        assert dataset.bounds.left == 600000


@pytest.mark.parametrize("nested", [False, True])
def test_a_part_of_a_virtual_raster_that_was_replaced_is_not_passed_over(tmp_path, nested):
    write_raster(tmp_path / "part.tif", RGB)
    rasterio.shutil.copy(tmp_path / "part.tif", tmp_path / "s.vrt", driver="VRT")
    src = tmp_path / "s.vrt"
    if nested:
        text = src.read_text().replace("part.tif", "s.vrt")
        src = tmp_path / "outer.vrt"
        src.write_text(text)
    age(tmp_path / "part.tif")
    upscale(src, tmp_path / "up.tif", nearest)
    assert upscale(src, tmp_path / "up.tif", nearest).skipped
    write_raster(tmp_path / "part.tif", 255 - RGB)
    with pytest.raises(ConfigError, match=r'scene\.parts: "\d files, \w+" then, "\d files, \w+" now'):
        upscale(src, tmp_path / "up.tif", nearest)
    with pytest.raises(ConfigError, match=r"part\.tif is what is read"):
        upscale(src, tmp_path / "part.tif", nearest, overwrite=True)


@pytest.mark.parametrize("form", ["/vsizip/{}/s.tif", "/vsizip/{{{}}}/s.tif", "zip+file://{}!/s.tif"])
def test_an_archive_that_was_replaced_is_not_passed_over(tmp_path, form):
    archive = tmp_path / "a.zip"
    identities = []
    for seconds, values in ((2, RGB), (0, 255 - RGB)):
        write_raster(tmp_path / "s.tif", values)
        archive.unlink(missing_ok=True)
        with zipfile.ZipFile(archive, "w") as file:
            file.write(tmp_path / "s.tif", "s.tif")
        age(archive, seconds)
        scene = describe_scene(form.format(archive))
        assert describe_scene(form.format(archive)).identity == scene.identity
        identities.append(scene.identity)
    assert identities[0] != identities[1]


def test_a_file_behind_a_name_of_gdal_is_told_from_an_older_one_and_never_displaced(tmp_path):
    write_raster(tmp_path / "s.tif", RGB)
    name = f"GTIFF_DIR:1:{tmp_path / 's.tif'}"
    with rasterio.open(name) as dataset:
        assert files_of(name, dataset) == [str(tmp_path / "s.tif")]
    before = describe_scene(name).identity
    age(tmp_path / "s.tif")
    assert describe_scene(name).identity != before
    with pytest.raises(ConfigError, match=r"s\.tif is what is read"):
        upscale(name, tmp_path / "s.tif", nearest, overwrite=True)


def test_a_mask_beside_a_raster_belongs_to_it(tmp_path):
    src = write_raster(tmp_path / "s.tif", RGB)
    identities = [describe_scene(src).identity]
    for valid in (200, 0):
        mask = np.full((20, 20), 255, np.uint8)
        mask[:5] = valid
        shutil.copy(write_raster(tmp_path / "mask.tif", mask), f"{src}.msk")
        age(f"{src}.msk", valid)
        with rasterio.open(f"{src}.msk", "r+") as dataset:
            dataset.update_tags(INTERNAL_MASK_FLAGS_1="2")
        identities.append(describe_scene(src).identity)
    assert len({json.dumps(identity) for identity in identities}) == 3


def test_what_programs_leave_that_show_a_raster_changes_nothing(tmp_path):
    src = write_raster(tmp_path / "s.tif", RGB)
    upscale(src, tmp_path / "up.tif", nearest)
    (tmp_path / "s.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MEAN">1</MDI></Metadata></PAMRasterBand>'
        "</PAMDataset>"
    )
    write_raster(tmp_path / "s.tif.ovr", RGB[:, ::2, ::2])
    with rasterio.open(src) as dataset:
        assert dataset.overviews(1) == [2] and f"{src}.aux.xml" in dataset.files
    assert upscale(src, tmp_path / "up.tif", nearest).skipped
    text = (tmp_path / "s.tif.aux.xml").read_text().replace("STATISTICS_MEAN", "WAVELENGTH")
    (tmp_path / "s.tif.aux.xml").write_text(text)
    with pytest.raises(ConfigError, match=r"scene\.metadata: "):
        upscale(src, tmp_path / "up.tif", nearest)


def test_outputs_of_versions_that_noted_less_are_recognised_by_what_they_noted(tmp_path):
    src = write_raster(tmp_path / "s.tif", RGB)
    upscale(src, tmp_path / "up.tif", nearest)
    beside = tmp_path / "up.tif.json"
    made = json.loads(beside.read_text())
    for key in ("parts", "transform", "crs", "metadata"):
        del made["identity"]["scene"][key]
    beside.write_text(json.dumps(made | {"digest": "of then"}))
    assert upscale(src, tmp_path / "up.tif", nearest).skipped
    age(src)
    with pytest.raises(ConfigError, match=r"exists \(scene\.mtime_ns: \d+ then, \d+ now\)"):
        upscale(src, tmp_path / "up.tif", nearest)
