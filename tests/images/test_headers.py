import os
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from segsr_arch.images import limits
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.reading import read_header
from tests.images.files import (
    FLOAT,
    GREY,
    HEIGHT,
    PIXELS,
    WIDE,
    WIDTH,
    broken_strip,
    encode,
    oriented,
    png,
    tiff,
    wide_png,
)

THIRTEEN = np.repeat(WIDE[..., :1], 13, axis=2)
RGBA = np.dstack([PIXELS, GREY])

KINDS = {
    "png": (encode(PIXELS), ("PNG", 3, 8, "uint8", "RGB", False)),
    "grey png": (encode(GREY), ("PNG", 1, 8, "uint8", "grey", False)),
    "bilevel png": (encode(Image.fromarray(GREY[..., 0] > 99)), ("PNG", 1, 1, "uint8", "grey", False)),
    "16-bit png": (wide_png(WIDE), ("PNG", 3, 16, "uint16", "RGB", False)),
    "png with alpha": (encode(RGBA), ("PNG", 4, 8, "uint8", "RGB", True)),
    "palette png": (encode(Image.fromarray(PIXELS).quantize(9)), ("PNG", 3, 8, "uint8", "RGB", False)),
    "jpeg": (encode(PIXELS, "JPEG"), ("JPEG", 3, 8, "uint8", "RGB", False)),
    "cmyk jpeg": (encode(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"), ("JPEG", 4, 8, "uint8", "CMYK", False)),
    "webp": (encode(PIXELS, "WEBP"), ("WebP", 3, 8, "uint8", "RGB", False)),
    "lossless webp": (encode(PIXELS, "WEBP", lossless=True), ("WebP", 3, 8, "uint8", "RGB", False)),
    "webp with alpha": (encode(RGBA, "WEBP"), ("WebP", 4, 8, "uint8", "RGB", True)),
    "lossless webp, alpha": (encode(RGBA, "WEBP", lossless=True), ("WebP", 4, 8, "uint8", "RGB", True)),
    "tiff": (tiff(PIXELS, compression="lzw"), ("TIFF", 3, 8, "uint8", "RGB", False)),
    "16-bit tiff": (tiff(WIDE, photometric="minisblack"), ("TIFF", 3, 16, "uint16", "RGB", False)),
    "float tiff": (tiff(FLOAT[..., 0]), ("TIFF", 1, 32, "float32", "grey", False)),
    "13 bands": (tiff(THIRTEEN), ("TIFF", 13, 16, "uint16", "bands", False)),
    "13 planes": (
        tiff(np.moveaxis(THIRTEEN, 2, 0), planarconfig="separate"),
        ("TIFF", 13, 16, "uint16", "bands", False),
    ),
    "two bands": (tiff(PIXELS[..., :2]), ("TIFF", 2, 8, "uint8", "bands", False)),
    "red, green, blue, infrared": (
        tiff(RGBA, photometric="rgb", extrasamples=["unspecified"]),
        ("TIFF", 4, 8, "uint8", "RGB", False),
    ),
    "tiff with alpha": (
        tiff(RGBA, photometric="rgb", extrasamples=["unassalpha"]),
        ("TIFF", 4, 8, "uint8", "RGB", True),
    ),
    "bmp": (encode(PIXELS, "BMP"), ("BMP", 3, 8, "uint8", "RGB", False)),
    "gif": (encode(PIXELS, "GIF"), ("GIF", 3, 8, "uint8", "RGB", False)),
    "ppm": (encode(PIXELS, "PPM"), ("PNM", 3, 8, "uint8", "RGB", False)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_facts_of_every_kind(kind, tmp_path):
    data, expected = KINDS[kind]
    header = read_header(data)
    assert (header.format, header.bands, header.bits, header.dtype, header.colours, header.alpha) == expected
    assert (header.height, header.width, header.orientation, header.pages) == (HEIGHT, WIDTH, 1, 1)
    path = tmp_path / "named.otherwise"
    path.write_bytes(data)
    assert read_header(path) == header


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_size_is_that_which_people_see(format):
    for number in range(1, 9):
        header = read_header(encode(PIXELS, format, exif=oriented(number)))
        size = (HEIGHT, WIDTH) if number < 5 else (WIDTH, HEIGHT)
        assert ((header.height, header.width), header.orientation) == (size, number)


def profile(name):
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile(name))
    return made.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_profiles_other_than_srgb_are_named(format):
    assert read_header(encode(PIXELS, format, icc_profile=profile("sRGB"))).profile is None
    assert "XYZ" in read_header(encode(PIXELS, format, icc_profile=profile("XYZ"))).profile
    assert read_header(encode(PIXELS, format, icc_profile=b"nonsense")).profile == "a profile that cannot be read"


def test_pages_are_counted_and_overviews_are_not(tmp_path):
    import tifffile

    pages = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])]
    for format in ("TIFF", "GIF", "WEBP"):
        assert read_header(encode(pages[0], format, save_all=True, append_images=pages[1:])).pages == 2
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(PIXELS, photometric="rgb")
        writer.write(PIXELS[::2, ::2], photometric="rgb", subfiletype=1)
    assert read_header(path).pages == 1


@pytest.mark.parametrize("side", [2**31 - 1, 2**31, 40_000, 0])
def test_a_size_that_the_bytes_cannot_hold_is_a_named_problem(side, tmp_path):
    path = tmp_path / "made_up.png"
    path.write_bytes(png(side, side, data=zlib.compress(bytes(100))))
    with pytest.raises(ImageReadError, match=rf"^{path} does not decode: .*{side} x {side}"):
        read_header(path)


def test_a_plain_image_of_20000_x_20000_is_an_image(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    smallest = 20_000 * (1 + 20_000 * 3) // 1029  # what zlib makes of an image of one colour
    header = read_header(png(20_000, 20_000, data=bytes(smallest)))
    assert (header.height, header.width) == (20_000, 20_000)
    with_tiff = tiff(np.broadcast_to(np.uint8(0), (9_000, 9_000, 3)), compression="deflate", rowsperstrip=100)
    assert read_header(with_tiff).width == 9_000


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("bmp", "gif", "ppm")])
def test_a_file_cut_short_has_no_header(kind):
    data = KINDS[kind][0]
    for part in (0, 1, 7, len(data) // 10, len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(ImageReadError):
            read_header(data[:part])


@pytest.mark.parametrize(
    "content", [b"<html>404</html>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xd9", b"II*\0" + bytes(40)]
)
def test_what_is_no_image_is_named(content, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageReadError, match=f"^{path} does not decode: "):
        read_header(path)


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ImageReadError, match="gone.png cannot be read"):
        read_header(tmp_path / "gone.png")


def test_headers_of_unchanged_files_are_not_read_again(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(encode(PIXELS))
    first = read_header(path)
    assert read_header(path) is first
    path.write_bytes(encode(PIXELS[:20]))
    os.utime(path, (time.time() + 5, time.time() + 5))
    assert read_header(path).height == 20


def test_damage_inside_is_no_matter_of_the_header():
    data = tiff(PIXELS, compression="deflate", rowsperstrip=8)
    assert read_header(broken_strip(data)) == read_header(data)


def test_memory_is_the_bound_for_what_a_file_may_hold(monkeypatch):
    header = read_header(png(20_000, 20_000, data=bytes(2_000_000)))
    monkeypatch.setattr(limits, "available_memory", lambda: 1 << 30)
    with pytest.raises(ImageReadError, match=r"20000 x 20000 pixels, RGB, need 1\.1 GiB .* 1\.0 GiB are free"):
        limits.check_memory(header)
    monkeypatch.setattr(limits, "available_memory", lambda: 2 << 30)
    limits.check_memory(header)


def test_available_memory_is_that_of_this_machine():
    available = limits.available_memory()
    assert available is None or 1 << 20 < available < 1 << 50


def test_what_is_kept_of_files_that_were_read_counts_as_free(monkeypatch):
    content = {
        "/sys/fs/cgroup/memory.max": ["4000"],
        "/sys/fs/cgroup/memory.current": ["3990"],
        "/sys/fs/cgroup/memory.stat": ["anon 490", "file 3500", "active_file 1000", "inactive_file 2500"],
    }
    monkeypatch.setattr(limits, "_lines", lambda path: content.get(path, []))
    assert limits.available_memory() == 3510
    content["/sys/fs/cgroup/memory.max"] = ["max"]
    assert limits.available_memory() is None
