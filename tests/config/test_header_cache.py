import json
import os

import pytest

from segsr_arch.config import header_cache
from segsr_arch.config.header_cache import read_headers
from tests.support import make_image, write_image


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three images, which count as many, and a cache folder of the test's own."""
    monkeypatch.setattr(header_cache, "REMEMBERED_FROM", 3)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, height in (("a.png", 8), ("b.png", 9), ("c.png", 10)):
        write_image(tmp_path / "images" / name, make_image(0, height, 12))
    return tmp_path / "images"


NAMES = ["a.png", "b.png", "c.png"]
SIZES = {"a.png": (8, 12), "b.png": (9, 12), "c.png": (10, 12)}


def read_sizes(folder, names):
    """Sizes by name, and why one cannot be had."""
    headers, problems = read_headers(folder, names)
    return {name: (header.height, header.width) for name, header in headers.items()}, problems


def never(path):
    raise AssertionError(f"{path} is read again")


def test_sizes_are_remembered_for_the_next_run(folder, monkeypatch):
    assert read_sizes(folder, NAMES) == (SIZES, {})
    monkeypatch.setattr(header_cache, "read_header", never)
    assert read_sizes(folder, NAMES) == (SIZES, {})


def test_nothing_stale_is_believed(folder):
    read_sizes(folder, NAMES)
    changed = make_image(1, 20, 30)
    times = os.stat(folder / "b.png")
    write_image(folder / "b.png", changed)
    os.utime(folder / "b.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # copied with its old time
    assert read_sizes(folder, NAMES) == ({**SIZES, "b.png": (20, 30)}, {})
    (folder / "c.png").write_bytes(b"broken")
    sizes, unreadable = read_sizes(folder, NAMES)
    assert set(sizes) == {"a.png", "b.png"} and "c.png does not decode" in unreadable["c.png"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"form": 2}', '{"form": 2, "images": {"a.png": [[1, 2, 3], {}]}}'])
def test_a_damaged_cache_is_read_anew(folder, tmp_path, content):
    read_sizes(folder, NAMES)
    (file,) = (tmp_path / "cache").rglob("*.json")
    file.write_text(content)
    assert read_sizes(folder, NAMES) == (SIZES, {})
    assert set(json.loads(file.read_text())["images"]) == set(NAMES)


def test_a_cache_that_cannot_be_written_is_done_without(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read_sizes(folder, NAMES) == (SIZES, {})


def test_small_folders_leave_nothing_behind(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(header_cache, "REMEMBERED_FROM", 4)
    read_sizes(folder, NAMES)
    assert not (tmp_path / "cache").exists()
