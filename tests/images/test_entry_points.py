"""One table of files, read by everything here that reads images: the same pixels everywhere, or the same refusal."""

import io
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from basicsr.data.data_util import read_img_seq
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.single_image_dataset import SingleImageDataset
from basicsr.utils import FileClient, imfrombytes, tensor2img
from basicsr.utils.lmdb_util import LmdbMaker
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from segsr_arch.cli.explain import _read_image
from segsr_arch.config.header_cache import read_headers
from segsr_arch.config.image_kinds import _unusable
from segsr_arch.data.bicubic_paired_dataset import BicubicPairedDataset
from segsr_arch.errors import DataError
from segsr_arch.images import limits
from segsr_arch.images.conversion import AS_STORED, Conversion
from segsr_arch.images.errors import Finding
from segsr_arch.preparation.worker import Workshop, digest_pixels
from segsr_arch.results.references import ImageReference
from tests.images.files import FLOAT, GREY, PIXELS, WIDE, broken_strip, encode, oriented, png, tiff, wide_png

RGBA = np.dstack([PIXELS, np.full_like(GREY, 255)])
GLASS = np.dstack([PIXELS, GREY])
PALETTE = Image.fromarray(PIXELS).quantize(11)
JPEG, STRIPS = encode(PIXELS, "JPEG"), tiff(PIXELS, compression="deflate", rowsperstrip=8)


def three(image):
    return np.repeat(image, 3, axis=2)


def shown(data):
    """What Pillow decodes of a lossy file."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


# Data; the pixels that everything sees, or what everything finds wrong.
FILES = {
    "png": (encode(PIXELS), PIXELS),
    "grey": (encode(GREY), three(GREY)),
    "palette": (encode(PALETTE), np.asarray(PALETTE.convert("RGB"))),
    "opaque": (encode(RGBA), PIXELS),
    "glass": (encode(GLASS), Finding.ALPHA),
    "12 bits in 16": (wide_png(WIDE), Finding.DEPTH),
    "16-bit tiff": (tiff(WIDE, compression="lzw"), Finding.DEPTH),
    "float": (tiff(FLOAT), Finding.DEPTH),
    "two bands": (tiff(PIXELS[..., :2]), Finding.BANDS),
    "near infrared": (tiff(GLASS, photometric="rgb", extrasamples=["unspecified"]), Finding.BANDS),
    "13 bands": (tiff(np.dstack([WIDE, WIDE, WIDE, WIDE, WIDE[..., :1]])), Finding.BANDS),
    "cmyk": (encode(Image.fromarray(PIXELS).convert("CMYK"), "JPEG"), Finding.BANDS),
    "turned jpeg": (encode(PIXELS, "JPEG", exif=oriented(6)), np.rot90(shown(JPEG), -1)),
    "turned tiff": (encode(PIXELS, "TIFF", exif=oriented(3)), PIXELS[::-1, ::-1]),
    "turned png": (encode(PIXELS, "PNG", exif=oriented(5)), PIXELS.transpose(1, 0, 2)),
    "pages": (encode(Image.fromarray(PIXELS), "TIFF", save_all=True, append_images=[PALETTE.convert("RGB")]), PIXELS),
    "strips": (STRIPS, PIXELS),
    "damaged strip": (broken_strip(STRIPS), Finding.BROKEN),
    "damaged packbits": (broken_strip(tiff(PIXELS, compression="packbits", rowsperstrip=8)), Finding.BROKEN),
    "jpeg": (JPEG, shown(JPEG)),
    "jpeg cut short": (JPEG[: len(JPEG) * 9 // 10], Finding.BROKEN),
    "png cut short": (encode(PIXELS)[:-20], Finding.BROKEN),
    "webp cut short": (encode(PIXELS, "WEBP")[:-20], Finding.BROKEN),
    "made up": (png(2**31 - 1, 2**31 - 1, data=zlib.compress(bytes(99))), Finding.BROKEN),
    "above 2^30 pixels": (png(40_000, 40_000, data=zlib.compress(bytes(99))), Finding.BROKEN),
    "nothing": (b"", Finding.BROKEN),
    "page of the web": (b"<html>404</html>", Finding.BROKEN),
}


def options(path, conversion, **more):
    asked = {"value_range": conversion.value_range, "bands": conversion.bands}
    return {"io_backend": {"type": "disk"}, "scale": 1, "phase": "val", **asked, **more}


def to_rgb(tensor):
    return tensor2img([tensor])[..., ::-1]


def prepare(path, conversion):
    found = Workshop(source=path.parent, root=path.parent, conversion=conversion).inspect(path.name, None)
    if not found.pixel_digest:
        raise DataError(found.notes[-1][1])
    return found.pixel_digest


def train(path, conversion):
    roots = {"dataroot_gt": str(path.parent), "dataroot_lq": str(path.parent)}
    item = PairedImageDataset(options(path, conversion, **roots))[0]
    assert np.array_equal(item["gt"], item["lq"])
    return to_rgb(item["gt"])


def measure(path, conversion):
    return to_rgb(SingleImageDataset(options(path, conversion, dataroot_lq=str(path.parent)))[0]["lq"])


def train_on_ground_truth(path, conversion):
    """Its ground truth is cut to a multiple of the scale, which the sides here are."""
    return to_rgb(BicubicPairedDataset(options(path, conversion, dataroot_gt=str(path.parent), scale=2))[0]["gt"])


def train_from_lmdb(path, conversion):
    folder = path.parent.parent / "made.lmdb"
    maker = LmdbMaker(str(folder))
    maker.put(path.read_bytes() or b" ", "a", (1, 1, 3))
    maker.close()
    given = options(path, conversion, dataroot_gt=str(folder), dataroot_lq=str(folder))
    return to_rgb(PairedImageDataset({**given, "io_backend": {"type": "lmdb"}})[0]["gt"])


def evaluate(path, conversion):
    """Takes 16 bits as they are; as all others here do if that is asked for."""
    image = ImageReference(path=str(path), conversion=conversion).read()
    if image.dtype != np.uint8:
        raise DataError(f"{path}: more than 8 bits a sample")
    return image[..., ::-1]


def explain(path, conversion):
    return np.rint(_read_image(path, conversion).permute(1, 2, 0).numpy() * 255).astype(np.uint8)


READERS = [prepare, train, measure, train_on_ground_truth, train_from_lmdb, evaluate, explain]


def place(folder, data):
    (folder / "images").mkdir(exist_ok=True)
    path = folder / "images/a.png"
    path.write_bytes(data)
    return path


def agrees(found, pixels):
    return found == digest_pixels(pixels) if isinstance(found, str) else np.array_equal(found, pixels)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", FILES)
def test_everything_sees_the_same(kind, reader, tmp_path):
    data, expected = FILES[kind]
    path = place(tmp_path, data)
    if isinstance(expected, np.ndarray):
        assert agrees(reader(path, AS_STORED), expected)
        return
    words = {
        Finding.BROKEN: "cut short|is damaged|no image|empty|cannot hold them|a in .*made.lmdb does not decode",
        Finding.DEPTH: r"(16|32) bits a sample|more than 8 bits",
        Finding.BANDS: "bands, and three or one can be used|colours are CMYK",
        Finding.ALPHA: "transparent pixels",
    }
    with pytest.raises(DataError, match=words[expected]) as caught:
        reader(path, AS_STORED)
    assert reader is prepare or any(str(place) in str(caught.value) for place in (path, tmp_path / "made.lmdb"))


ASKED = {
    "12 bits in 16": (Conversion(value_range=(7, 4087)), PIXELS),
    "16-bit tiff": (Conversion(value_range=(7, 4087)), PIXELS),
    "float": (Conversion(value_range=(0, 2.55)), PIXELS),
    "two bands": (Conversion(bands=(2,)), three(PIXELS[..., 1:2])),
    "near infrared": (Conversion(bands=(4, 3, 2)), GLASS[..., [3, 2, 1]]),
    "13 bands": (Conversion(bands=(3, 2, 1), value_range=(7, 4087)), PIXELS[..., ::-1]),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ASKED)
def test_everything_converts_the_same_when_asked(kind, reader, tmp_path):
    conversion, expected = ASKED[kind]
    assert agrees(reader(place(tmp_path, FILES[kind][0]), conversion), expected)


@pytest.mark.parametrize("kind", FILES)
def test_the_option_check_tells_from_the_header_what_it_can(kind, tmp_path):
    data, expected = FILES[kind]
    path = place(tmp_path, data)
    headers, unreadable = read_headers(path.parent, [path.name])
    if path.name in headers:
        header = headers[path.name]
        refused = _unusable(header, AS_STORED)
        # What only the pixels show: transparent ones, and damage between whole strips.
        whole = isinstance(expected, np.ndarray)
        assert (refused is not None) == (not whole and expected in (Finding.DEPTH, Finding.BANDS))
        if whole:
            assert (header.height, header.width) == expected.shape[:2]
    else:
        assert expected is Finding.BROKEN and str(path) in unreadable[path.name]


@pytest.mark.parametrize("kind", ["png", "grey", "turned jpeg", "palette"])
def test_frames_and_bytes_are_read_alike(kind, tmp_path):
    data, pixels = FILES[kind]
    path = place(tmp_path, data)
    assert np.array_equal(to_rgb(read_img_seq(str(path.parent))[0]), pixels)
    assert np.array_equal(imfrombytes(FileClient("disk").get(str(path)))[..., ::-1], pixels)
    assert np.array_equal(imfrombytes(data, float32=True), pixels[..., ::-1].astype(np.float32) / 255)


def test_frames_that_cannot_be_used_are_named(tmp_path):
    path = place(tmp_path, FILES["12 bits in 16"][0])
    with pytest.raises(DataError, match=f"{path}: its values go from .* 16 bits a sample"):
        read_img_seq([str(path)])


def test_unchanged_is_what_the_file_holds():
    assert np.array_equal(imfrombytes(FILES["12 bits in 16"][0], flag="unchanged"), WIDE[..., ::-1])
    assert np.array_equal(imfrombytes(FILES["glass"][0], flag="unchanged"), GLASS[..., [2, 1, 0, 3]])
    assert np.array_equal(imfrombytes(FILES["grey"][0], flag="unchanged"), GREY[..., 0])
    with pytest.raises(DataError, match="uint16 samples, of which nobody has said what is white"):
        imfrombytes(FILES["12 bits in 16"][0], flag="unchanged", float32=True)


def test_lmdbs_are_made_of_images_as_people_see_them(tmp_path):
    from basicsr.utils.lmdb_util import read_img_worker

    data, pixels = FILES["turned png"]
    _, made, shape = read_img_worker(str(place(tmp_path, data)), "a", 1)
    assert np.array_equal(cv2.imdecode(np.asarray(made), cv2.IMREAD_UNCHANGED)[..., ::-1], pixels)
    assert shape == pixels.shape


def test_an_image_too_large_for_the_memory_is_named_by_all(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "_ALWAYS_THERE", 1)
    monkeypatch.setattr(limits, "available_memory", lambda: PIXELS.nbytes - 1)
    path = place(tmp_path, FILES["png"][0])
    for reader in READERS:
        with pytest.raises(DataError, match="40 x 48 pixels, RGB, need 0.0 MiB of memory"):
            reader(path, AS_STORED)


def test_tensors_of_four_bands_are_no_image():
    import torch

    with pytest.raises(DataError, match="one or three bands can be made of a tensor, and this one has 4"):
        tensor2img([torch.rand(4, 5, 6)])
    assert tensor2img([torch.rand(1, 5, 6)]).shape == (5, 6)
    assert tensor2img(torch.rand(1, 3, 5, 6)).shape == (5, 6, 3)


WHOLE = [data for data, expected in FILES.values() if expected is not Finding.BROKEN]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bytes_changed_at_random_give_an_image_or_a_named_problem(data, tmp_path):
    content = bytearray(data.draw(st.sampled_from(WHOLE)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = place(Path(tmp_path), bytes(content))
    outcomes = []
    for reader in (prepare, train, explain):
        try:
            found = reader(path, AS_STORED)
            outcomes.append(found if isinstance(found, str) else digest_pixels(found))
        except DataError:
            outcomes.append(None)
    assert len(set(outcomes)) == 1
