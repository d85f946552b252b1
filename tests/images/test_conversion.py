import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from segsr_arch.images import reading
from segsr_arch.images.conversion import Conversion
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.reading import decode, read_rgb, turn
from tests.images.files import FLOAT, GREY, PIXELS, WIDE, broken_strip, encode, oriented, tiff, wide_png
from tests.support import SHARED_DATA, make_image

RGBA = np.dstack([PIXELS, np.full_like(GREY, 255)])
THIRTEEN = np.repeat(WIDE[..., :1], 13, axis=2) + np.arange(13, dtype=np.uint16)
TWELVE_BITS = Conversion(value_range=(7, 4087))  # WIDE is 16 times PIXELS, and 7


def findings(notes):
    return [finding for finding, _ in notes]


def refused(data, conversion=None, **options):
    """The finding and sentence with which an image is refused."""
    with pytest.raises(ImageReadError) as caught:
        read_rgb(data, *([] if conversion is None else [conversion]), **options)
    return caught.value.finding, str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        encode(PIXELS),
        encode(PIXELS, "BMP"),
        encode(PIXELS, "PPM"),
        encode(PIXELS, "WEBP", lossless=True),
        *(tiff(PIXELS, compression=name) for name in (None, "lzw", "deflate", "packbits", "zstd")),
        tiff(PIXELS, compression="deflate", predictor=True, tile=(16, 16)),
        tiff(PIXELS.transpose(2, 0, 1).copy(), planarconfig="separate", photometric="rgb"),
        tiff(PIXELS, byteorder=">"),
        tiff(PIXELS, bigtiff=True),
    ],
)
def test_lossless_rgb_is_given_as_it_is(data):
    pixels, notes = read_rgb(data)
    assert np.array_equal(pixels, PIXELS) and pixels.dtype == np.uint8
    assert notes == []


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}])
def test_jpeg_is_what_pillow_makes_of_it(options):
    import io

    data = encode(PIXELS, "JPEG", **options)
    assert np.array_equal(read_rgb(data)[0], np.asarray(Image.open(io.BytesIO(data))))


@pytest.fixture
def packed():
    """What writes TIFFs of bits that fill no bytes, which some releases of imagecodecs can read alone."""
    try:
        imagecodecs.packints_encode(np.zeros(8, np.uint8), 4)
    except NotImplementedError:
        pytest.skip("this release of imagecodecs writes no packed integers")


@pytest.mark.usefixtures("packed")
def test_few_bits_are_spread_over_eight():
    for bits, image in ((1, GREY[..., 0] > 99), (4, GREY[..., 0] // 16)):
        pixels, notes = read_rgb(tiff(image.astype(bool if bits == 1 else np.uint8), bitspersample=bits))
        expected = image.astype(np.uint8) * (255 // (2**bits - 1))
        assert np.array_equal(pixels[..., 1], expected)
        assert findings(notes) == [Finding.GRAYSCALE]


@pytest.mark.usefixtures("packed")
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_white_of_any_depth_is_the_largest_value_where_it_is_zero(bits):
    stored = np.array([[0, 1, 2**bits - 1]], np.uint16)
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, stored, photometric="miniswhite", bitspersample=bits)
    pixels, _ = decode(buffer.getvalue())
    assert pixels.ravel().tolist() == [2**bits - 1, 2**bits - 2, 0]


def test_white_is_light_also_where_it_is_zero():
    assert np.array_equal(read_rgb(tiff(255 - GREY[..., 0], photometric="miniswhite"))[0][..., :1], GREY)


def test_grey_is_repeated_and_said():
    for data in (encode(GREY), encode(GREY, "TIFF"), encode(GREY, "PPM")):
        pixels, notes = read_rgb(data)
        assert np.array_equal(pixels, np.repeat(GREY, 3, axis=2))
        assert findings(notes) == [Finding.GRAYSCALE]


@pytest.mark.parametrize("format", ["PNG", "TIFF", "GIF", "BMP"])
def test_palette_colours_are_looked_up(format):
    palette = Image.fromarray(PIXELS).quantize(16)
    pixels, notes = read_rgb(encode(palette, format))
    assert np.array_equal(pixels, np.asarray(palette.convert("RGB")))
    assert findings(notes) == [Finding.PALETTE]


@pytest.mark.parametrize(
    "write", [encode, lambda image: tiff(image, photometric="rgb", extrasamples=["unassalpha"])], ids=["png", "tiff"]
)
def test_opaque_alpha_is_dropped_and_transparency_refused(write):
    pixels, notes = read_rgb(write(RGBA))
    assert np.array_equal(pixels, PIXELS)
    assert findings(notes) == [Finding.ALPHA]
    seen_through = RGBA.copy()
    seen_through[5, 7, 3] = 254
    finding, sentence = refused(write(seen_through))
    assert finding is Finding.ALPHA and sentence.startswith("it has transparent pixels, of which nothing is known; if ")
    assert sentence.endswith("no alpha channel, say with --bands 1 2 3 which bands are meant")


def test_a_transparent_palette_colour_is_refused():
    palette = Image.fromarray(PIXELS).quantize(8)
    assert refused(encode(palette, transparency=0))[0] is Finding.ALPHA


@pytest.mark.parametrize("write", [wide_png, tiff])
@pytest.mark.parametrize("bands", [1, 3])
def test_16_bits_need_a_stated_range_where_8_are_meant(write, bands):
    wide = WIDE[..., :bands]
    data = write(wide)
    finding, sentence = refused(data)
    assert finding is Finding.DEPTH
    assert f"values go from {wide.min()} to {wide.max()}: it has 16 bits a sample; say with --range LO HI" in sentence
    pixels, notes = read_rgb(data, TWELVE_BITS)
    assert np.array_equal(pixels[..., :bands], PIXELS[..., :bands])
    assert (Finding.DEPTH, "16 bits a sample; 7..4087 became 0..255") in notes
    deep, notes = read_rgb(data, deep=True)
    assert np.array_equal(deep[..., :bands], wide) and deep.dtype == np.uint16
    assert "0..65535 is the range of values, unless --range LO HI says another" in dict(notes)[Finding.DEPTH]


def test_values_outside_the_range_are_clipped_and_between_rounded():
    wide = np.array([[[0], [1000], [1001]], [[2000], [60000], [1998]]], np.uint16)
    pixels, _ = read_rgb(wide_png(wide), Conversion(value_range=(1000, 2000)))
    assert pixels[:, :, 0].tolist() == [[0, 0, 0], [255, 255, 254]]


def test_floating_point_needs_a_range_and_finite_values():
    assert "32 bits a sample (float32); say with --range" in refused(tiff(FLOAT), deep=True)[1]
    assert np.array_equal(read_rgb(tiff(FLOAT), Conversion(value_range=(0, 2.55)))[0], PIXELS)
    broken = FLOAT.copy()
    broken[3, 4] = np.nan
    expected = (Finding.DEPTH, f"it holds NaN or infinity in 3 of {broken.size} values")
    assert refused(tiff(broken), Conversion(value_range=(0, 1))) == expected == refused(tiff(broken))


def test_bands_are_named_or_refused():
    assert refused(tiff(THIRTEEN)) == (
        Finding.BANDS,
        "it has 13 bands, and three or one can be used; say with --bands 3 2 1 which become red, green and blue",
    )
    chosen = Conversion(bands=(4, 3, 2), value_range=(0, 5100))
    pixels, notes = read_rgb(tiff(THIRTEEN), chosen)
    assert np.array_equal(pixels, np.rint(THIRTEEN[..., [3, 2, 1]] / 20).astype(np.uint8))
    assert findings(notes) == [Finding.BANDS, Finding.DEPTH]
    assert "13 bands; 4, 3, 2 became red, green and blue" in dict(notes)[Finding.BANDS]
    two = "it has 2 bands, and three or one can be used; say with --bands 1 which becomes grey"
    assert refused(tiff(PIXELS[..., :2]))[1] == two
    one, _ = read_rgb(tiff(PIXELS[..., :2]), Conversion(bands=(2,)))
    assert np.array_equal(one, np.repeat(PIXELS[..., 1:2], 3, axis=2))
    assert refused(encode(PIXELS), Conversion(bands=(4, 3, 2)))[1] == "it has RGB, and band 4 is asked for"


def test_a_fourth_band_that_is_no_alpha_is_not_lost():
    infrared = tiff(RGBA, photometric="rgb", extrasamples=["unspecified"])
    assert refused(infrared)[1].startswith("it has 4 bands, ")
    assert np.array_equal(read_rgb(infrared, Conversion(bands=(1, 2, 3)))[0], PIXELS)


def test_near_infrared_that_is_called_an_alpha_channel_is_a_band_where_bands_are_named():
    stored = np.dstack([PIXELS, 255 - GREY])
    file = tiff(stored, photometric="rgb", extrasamples=["unassalpha"])
    assert refused(file)[0] is Finding.ALPHA
    pixels, notes = read_rgb(file, Conversion(bands=(4, 1, 2)))
    assert np.array_equal(pixels, stored[..., [3, 0, 1]])
    assert dict(notes)[Finding.ALPHA] == "alpha channel, a band like the others since bands are named"
    assert np.array_equal(read_rgb(file, Conversion(bands=(1, 2, 3)))[0], PIXELS)


def test_other_colours_are_refused():
    cmyk = Image.fromarray(PIXELS).convert("CMYK")
    for data in (encode(cmyk, "TIFF"), encode(cmyk, "JPEG")):
        assert refused(data) == (Finding.BANDS, "its colours are CMYK, neither RGB nor grey; save it as RGB")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_images_stand_as_people_see_them(format):
    import io

    for number in range(2, 9):
        data = encode(PIXELS, format, exif=oriented(number))
        pixels, notes = read_rgb(data)
        assert np.array_equal(pixels, np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data)))))
        assert notes == [(Finding.TURNED, f"EXIF orientation {number}; turned as people see it")]
    assert np.array_equal(turn(turn(PIXELS, 6), 8), PIXELS)


def test_the_first_of_several_pages_is_used():
    pages = [Image.fromarray(make_image(seed)) for seed in (10, 11)]
    pixels, notes = read_rgb(encode(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert np.array_equal(pixels, np.asarray(pages[0]))
    assert findings(notes) == [Finding.PAGES]


@pytest.mark.parametrize("compression", ["deflate", "packbits"])
def test_a_damaged_strip_does_not_decode(compression):
    data = tiff(PIXELS, compression=compression, rowsperstrip=8)
    assert np.array_equal(read_rgb(data)[0], PIXELS)
    assert refused(broken_strip(data))[0] is Finding.BROKEN


def test_a_flipped_bit_in_a_png_does_not_decode():
    data = bytearray(encode(PIXELS))
    data[len(data) // 2] ^= 16
    assert refused(bytes(data))[0] is Finding.BROKEN


def test_what_does_not_fit_into_memory_is_a_named_problem(monkeypatch):
    def no_memory(data, header):
        raise MemoryError

    monkeypatch.setattr(reading.reader_of(encode(PIXELS)), "pixels", no_memory)
    assert refused(encode(PIXELS)) == (Finding.BROKEN, "40 x 48 pixels do not fit into the memory at hand")
    with pytest.raises(ImageReadError, match="40 x 48 pixels do not fit"):
        decode(encode(PIXELS))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"value_range": (3, 3)}, "--range LO HI: expected two values, the smaller one first"),
        ({"bands": (1, 2)}, "--bands 3 2 1: expected the numbers of three bands or of one, counted from 1"),
        ({"bands": (0, 1, 2)}, "--bands 3 2 1: expected the numbers of three bands or of one, counted from 1"),
        ({"value_range": (0.0, 1.0), "bands": (1,)}, None),
    ],
)
def test_conversions_that_make_no_sense(asked, said):
    assert Conversion(**asked).problem() == said


def test_real_rasters():
    folder = SHARED_DATA / "geotiff"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    for name in ("RGB.byte.tif", "urban_2048.tif"):
        assert read_rgb((folder / name).read_bytes())[1] == []
    expected = {
        "mosaic_uint16.tif": Finding.DEPTH,
        "naip_4band.tif": Finding.ALPHA,
        "nodata_nan.tif": Finding.DEPTH,
        "pix4d_alpha_nodata.tif": Finding.ALPHA,
    }
    for name, finding in expected.items():
        assert refused((folder / name).read_bytes())[0] is finding, name
