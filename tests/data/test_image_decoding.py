import io

import cv2
import numpy as np
import pytest
from PIL import Image

from segsr_arch.data.image_decoding import decode_image
from segsr_arch.data.problems import Kind
from tests.support import SHARED_DATA, make_image


def encode(image, suffix=".png"):
    return cv2.imencode(suffix, image)[1].tobytes()


def encode_pil(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def kinds(decoded):
    return [kind for kind, _ in decoded.notes]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_lossless_rgb_is_given_as_it_is(suffix):
    image = make_image(1)
    decoded = decode_image(encode(image, suffix))
    assert np.array_equal(decoded.pixels, image[:, :, ::-1])
    assert decoded.notes == ()


def test_lossless_webp_and_jpeg_equal_opencv():
    image = make_image(2)
    webp = encode_pil(Image.fromarray(image), "WEBP", lossless=True)
    assert np.array_equal(decode_image(webp).pixels, image)
    jpeg = encode(image, ".jpg")
    theirs = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.abs(decode_image(jpeg).pixels.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_truncated_images_are_refused(suffix):
    data = encode(make_image(3, 128, 128), suffix)
    for part in (0, 7, len(data) // 2, len(data) * 9 // 10):
        decoded = decode_image(data[:part])
        assert decoded.pixels is None, part
        assert kinds(decoded) == [Kind.BROKEN]


def test_text_under_an_image_name_is_refused():
    assert kinds(decode_image(b"<html>404 not found</html>")) == [Kind.BROKEN]


def test_grayscale_is_repeated_and_said():
    gray = make_image(4, channels=1)
    decoded = decode_image(encode(gray))
    assert np.array_equal(decoded.pixels, np.repeat(gray, 3, axis=2))
    assert kinds(decoded) == [Kind.GRAYSCALE]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_palette_colours_are_looked_up(kind):
    palette = Image.fromarray(make_image(5)).quantize(16)
    decoded = decode_image(encode_pil(palette, kind))
    assert np.array_equal(decoded.pixels, np.asarray(palette.convert("RGB")))
    assert kinds(decoded) == [Kind.PALETTE]


def test_opaque_alpha_is_dropped_and_transparency_refused():
    rgba = np.dstack([make_image(6), np.full((64, 64), 255, np.uint8)])
    decoded = decode_image(encode(rgba))
    assert np.array_equal(decoded.pixels, rgba[:, :, 2::-1])
    assert kinds(decoded) == [Kind.ALPHA]
    rgba[5, 7, 3] = 254
    decoded = decode_image(encode(rgba))
    assert decoded.pixels is None
    assert kinds(decoded) == [Kind.ALPHA]


def test_a_transparent_palette_colour_is_refused():
    palette = Image.fromarray(make_image(7)).quantize(8)
    decoded = decode_image(encode_pil(palette, transparency=0))
    assert decoded.pixels is None
    assert kinds(decoded) == [Kind.PALETTE, Kind.ALPHA]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_need_a_stated_range(suffix, channels):
    wide = (make_image(8, channels=channels).astype(np.uint16) * 40).squeeze()
    data = encode(wide, suffix)
    decoded = decode_image(data)
    assert decoded.pixels is None
    assert kinds(decoded) == [Kind.DEPTH]
    assert "--range" in decoded.notes[0][1]
    decoded = decode_image(data, value_range=(0, 10200))
    expected = np.rint(wide / 40.0).astype(np.uint8)
    expected = expected[:, :, ::-1] if channels == 3 else np.repeat(expected[:, :, None], 3, axis=2)
    assert np.array_equal(decoded.pixels, expected)
    assert Kind.DEPTH in kinds(decoded)


def test_values_outside_the_range_are_clipped():
    wide = np.array([[0, 1000], [2000, 60000]], np.uint16)
    decoded = decode_image(encode(wide), value_range=(1000, 2000))
    assert decoded.pixels[:, :, 0].tolist() == [[0, 0], [255, 255]]


def test_colour_modes_that_are_not_rgb_are_refused():
    cmyk = encode_pil(Image.fromarray(make_image(9)).convert("CMYK"), "TIFF")
    decoded = decode_image(cmyk)
    assert decoded.pixels is None
    assert kinds(decoded) == [Kind.BANDS]


def test_the_first_of_several_pages_is_used():
    pages = [Image.fromarray(make_image(seed)) for seed in (10, 11)]
    decoded = decode_image(encode_pil(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert np.array_equal(decoded.pixels, np.asarray(pages[0]))
    assert kinds(decoded) == [Kind.PAGES]


def test_real_rasters():
    folder = SHARED_DATA / "geotiff"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    expected = {
        "RGB.byte.tif": [],
        "mosaic_uint16.tif": [Kind.DEPTH],
        "naip_4band.tif": [Kind.ALPHA],
        "nodata_nan.tif": [Kind.DEPTH],
        "pix4d_alpha_nodata.tif": [Kind.ALPHA],
    }
    for name, found in expected.items():
        assert kinds(decode_image((folder / name).read_bytes())) == found, name
