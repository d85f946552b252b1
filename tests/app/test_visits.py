"""Files of visitors: taken or refused in a sentence, apart from those of others, and gone afterwards."""

import os
import tempfile
from pathlib import Path

import pytest

from segsr_arch.app.visits import opened_visits
from segsr_arch.errors import DataError
from segsr_arch.scenes.source.rasters import whole_files_alone
from tests.scenes.rasters import write_raster
from tests.support import make_image, write_image


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """A folder for temporary files of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


@pytest.fixture
def visits(temporary):
    with opened_visits() as visits:
        yield visits


def arrive(visits, name="river.png", seed=0):
    """An image as the page receives it: in a folder that is named after its content."""
    return write_image(visits.received / f"content{seed}" / name, make_image(seed, 10, 14))


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_was_given_is_kept_by_its_name_and_goes_when_the_visit_ends(visits):
    given = arrive(visits)
    content = given.read_bytes()
    upload = visits.of("a").take(given, most_megapixels=1)
    assert upload.source.name == "river.png" and upload.source.read_bytes() == content
    (upload.folder / "result.png").write_bytes(b"made")
    visits.end("a")
    visits.end("a")
    assert upload.dropped.is_set() and not files(visits.received) and not files(visits.kept)


def test_another_image_takes_the_place_of_the_one_before(visits):
    first = visits.of("a").take(arrive(visits), most_megapixels=1)
    second = visits.of("a").take(arrive(visits, "field.png", seed=1), most_megapixels=1)
    assert first.dropped.is_set() and not first.folder.exists()
    assert not second.dropped.is_set() and [path.name for path in files(visits.kept)] == ["field.png"]


def test_two_visitors_who_give_the_same_do_not_disturb_each_other(visits):
    given = arrive(visits)
    first = visits.of("a").take(given, most_megapixels=1)
    arrive(visits)  # the second one's, which is written over the first one's
    second = visits.of("b").take(given, most_megapixels=1)
    assert first.folder.parent != second.folder.parent
    visits.end("a")
    assert not first.source.exists() and second.source.exists() and not second.dropped.is_set()


def test_a_file_that_came_again_meanwhile_is_not_taken_away(visits):
    given = arrive(visits)
    visits.of("a").take(given, most_megapixels=1)
    given.unlink()  # as a rename over it does
    arrive(visits)
    visits.end("a")
    assert visits.of("b").take(given, most_megapixels=1).source.exists()


def test_too_many_pixels_are_refused_with_both_figures_and_what_to_do(visits):
    image = make_image(0, 300, 500).transpose(2, 0, 1)
    given = write_raster(visits.received / "large.tif", image)
    with pytest.raises(DataError) as refusal:
        visits.of("a").take(given, most_megapixels=0.1)
    assert str(refusal.value) == (
        "large.tif: has 500 x 300 pixels, 0.15 megapixels; this page takes 0.1 at most. Whoever has started it can "
        "raise that (--max-megapixels); segsr upscale on the command line takes any size."
    )
    assert visits.of("a").upload is None and not files(visits.kept) and not files(visits.received)
    write_raster(given, image)
    assert visits.of("a").take(given, most_megapixels=0.15).source.exists()


@pytest.mark.parametrize("content", [b"no image", b"\x89PNG\r\n\x1a\n", b""])
def test_a_broken_file_is_refused_by_its_name_alone(visits, content):
    given = visits.received / "broken.png"
    given.write_bytes(content)
    with pytest.raises(DataError) as refusal:
        visits.of("a").take(given, most_megapixels=1)
    assert str(refusal.value).startswith("broken.png") and str(visits.kept) not in str(refusal.value)
    assert str(refusal.value).endswith(".") and not files(visits.kept)


def test_a_file_that_would_have_others_read_is_refused(visits, tmp_path):
    secret = write_raster(tmp_path / "secret.tif", make_image(0, 8, 8).transpose(2, 0, 1))
    for content in (
        f'<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f"<SourceFilename>{secret}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
        '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/</ServerUrl></Service></GDAL_WMS>',
    ):
        given = visits.received / "harmless.tif"
        given.write_text(content)
        with whole_files_alone(), pytest.raises(DataError, match=r"^harmless\.tif: begins as no GeoTIFF, PNG,"):
            visits.of("a").take(given, most_megapixels=1)
    with whole_files_alone():
        assert visits.of("a").take(arrive(visits), most_megapixels=1)


def test_everything_goes_at_the_end_and_with_it_what_a_killed_process_has_left(temporary, gone):
    left = temporary / f".segsr-app.{gone}-0123abcd.partial"
    (left / "kept").mkdir(parents=True)
    with opened_visits() as visits:
        assert not left.exists()
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o077 == 0  # nobody else looks into it
        visits.of("a").take(arrive(visits), most_megapixels=1)
        assert visits.kept.is_relative_to(folder) and visits.received.is_relative_to(folder)
    assert os.listdir(temporary) == []
    assert Path(tempfile.gettempdir()) == temporary
