"""Damaged image files: every reader gives the same pixels or names the file, and the images beside it go on."""

import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from segsr_arch.errors import DataError
from segsr_arch.images.reading import decode, read_header
from tests.campaign.children import in_child, needs_forks, segsr
from tests.campaign.tally import dice, series
from tests.support import make_image, write_image

pytestmark = [pytest.mark.campaign, needs_forks]
WHAT = "mutated images"
SIDE = 48
SECONDS = 120


def encoded(kind):
    """A whole image file of one kind."""
    image = make_image(1, SIDE, SIDE)
    wide = image.astype(np.uint16) * 257
    if kind in ("jpeg", "progressive", "webp", "palette", "bmp", "lzw"):
        picture, buffer = Image.fromarray(image), io.BytesIO()
        picture = picture.convert("P") if kind == "palette" else picture
        options = {"progressive": True} if kind == "progressive" else {}
        options |= {"lossless": True} if kind == "webp" else {"compression": "tiff_lzw"} if kind == "lzw" else {}
        name = {"jpeg": "JPEG", "progressive": "JPEG", "webp": "WEBP", "palette": "PNG", "bmp": "BMP", "lzw": "TIFF"}
        picture.save(buffer, name[kind], **options)
        return buffer.getvalue()
    if kind in ("bands", "float"):
        samples = np.concatenate([image] * 5, 2)[..., :13] if kind == "bands" else image.astype(np.float32)
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, samples, photometric="minisblack", compression="zlib", rowsperstrip=16)
        return buffer.getvalue()
    ending, samples = {"png": (".png", image), "png16": (".png", wide), "grey": (".png", image[..., 0])}.get(
        kind, (".tif", wide if kind == "tiff16" else image)
    )
    return cv2.imencode(ending, samples)[1].tobytes()


KINDS = [
    "png",
    "png16",
    "grey",
    "palette",
    "jpeg",
    "progressive",
    "webp",
    "bmp",
    "lzw",
    "tiff",
    "tiff16",
    "bands",
    "float",
]
NUMBERS = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\x80\0"]


def mutate(data, random):
    """The file with one kind of damage, and what it is."""
    data, at = bytearray(data), random.randrange(len(data))
    # headers are where a reader can be misled, so every second damage is among the first bytes
    at = min(at, random.randrange(64)) if random.random() < 0.5 else at
    kind = random.choice(["bit", "bits", "cut", "number", "zeros", "missing", "more"])
    if kind == "bit":
        data[at] ^= 1 << random.randrange(8)
    elif kind == "bits":
        for _ in range(20):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "number":
        data[at : at + 4] = random.choice(NUMBERS)
    elif kind == "zeros":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    elif kind == "missing":
        del data[at : at + random.randrange(1, 32)]
    else:
        data[at:at] = random.randbytes(random.randrange(1, 32))
    return bytes(data), f"{kind} at {at}"


def outcome(read, *arguments):
    """What a reader gives, or its refusal as text; anything else is an error of the reader."""
    try:
        return read(*arguments)
    except DataError as error:
        return str(error)


def disagreement(path):
    """How the readers differ on a file; empty if they do not."""
    from basicsr.utils import imfrombytes

    data = path.read_bytes()
    header, pixels, stock = outcome(read_header, path), outcome(decode, data), outcome(imfrombytes, data)
    for reading in (header, pixels, stock):
        if isinstance(reading, str) and (not reading or "\n" in reading):
            return f"says {reading!r}"
    if isinstance(header, str) and not isinstance(pixels, str):
        return f"only the header is refused: {header}"
    if isinstance(pixels, str) != isinstance(stock, str) and not isinstance(stock, str):
        return f"only the training takes it: {pixels}"
    if not isinstance(stock, str):
        image, facts = pixels
        image = np.broadcast_to(image[..., :3], (*image.shape[:2], 3))
        if (facts.height, facts.width) != stock.shape[:2] or not np.array_equal(image[..., ::-1], stock):
            return "other pixels in the training"
    return ""


def read_all(folder):
    with open(folder / "told", "w") as told:
        for path in sorted(folder.glob("*.bin")):
            print(path.stem, end=" ", file=told, flush=True)
            print(disagreement(path).encode("unicode_escape").decode(), end=" .\n", file=told, flush=True)
    return 0


@pytest.mark.parametrize(("number", "count"), series(1000, each=100))
def test_readers_agree_and_the_others_go_on(tally, tmp_path, number, count):
    changes = {}
    for attempt in range(count):
        random = dice("images", number, attempt)
        kind = random.choice(KINDS)
        data, change = mutate(encoded(kind), random)
        ending = {"jpeg": "jpg", "progressive": "jpg", "webp": "webp", "bmp": "bmp"}.get(kind, kind[:3])
        ending = {"lzw": "tif", "gre": "png", "pal": "png", "ban": "tif", "flo": "tif"}.get(ending, ending)
        name = f"a{attempt:03}"
        changes[name] = f"{kind}, {change}"
        (tmp_path / f"{name}.bin").write_bytes(data)
        for place in ("source", "sr"):
            (tmp_path / place).mkdir(exist_ok=True)
            (tmp_path / place / f"{name}.{ending}").write_bytes(data)
        write_image(tmp_path / "gt" / f"{name}.png", make_image(1, SIDE, SIDE))
    good = [f"good{index}" for index in range(4)]
    for index, name in enumerate(good):
        for place in ("source", "sr", "gt"):
            write_image(tmp_path / place / f"{name}.png", make_image(index, SIDE, SIDE))

    ended = in_child(read_all, tmp_path, cwd=tmp_path, seconds=SECONDS)
    told = dict(line.split(" ", 1) for line in (tmp_path / "told").read_text().splitlines())
    for name, change in changes.items():
        line = told.get(name, "not read any more")
        if line.strip() == ".":
            tally.survived(WHAT)
        else:
            tally.failed(
                WHAT, f"images/{number}/{int(name[1:])} ({change})", line.strip() or f"ended with {ended.code}"
            )

    prepare = ("prepare", "folder", "source", "data", "--patch", "4", "--val", "0", "--test", "0", "--jobs", "1")
    ended = in_child(segsr, *prepare, "--no-lmdb", cwd=tmp_path, seconds=SECONDS)
    made = {path.stem for path in (tmp_path / "data/train/HR_x4").glob("*.png")}
    assert ended.code == 0 and made >= set(good) and "Traceback" not in ended.output, ended.output[-2000:]
    evaluate = ("evaluate", "--sr", "sr", "--gt", "gt", "--scale", "4", "--out", "out")
    ended = in_child(segsr, *evaluate, cwd=tmp_path, seconds=SECONDS)
    rows = (tmp_path / "out/sr/evaluation/gt/images.csv").read_text()
    assert ended.code == 1 and all(name in rows for name in good) and "Traceback" not in ended.output, ended.output
    assert not tally.lost, tally.told
