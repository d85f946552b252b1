from pathlib import Path

import cv2
import numpy as np
import pytest

from segsr_arch.config import check_options
from segsr_arch.errors import ConfigError
from tests.config.paired_options import changed, good_test, good_train
from tests.images.files import WIDE, encode, tiff
from tests.support import make_image, write_image

RANDOM = "network_g: the network has random weights, because path:pretrain_network_g is not given"


def complaints(opt, **options):
    with pytest.raises(ConfigError) as caught:
        check_options(opt, source="a.yml", **options)
    return [line.removeprefix("  - ") for line in str(caught.value).splitlines()[1:]]


def lr_files(opt, phase="train"):
    return sorted(Path(opt["datasets"][phase]["dataroot_lq"]).iterdir())


def widen(path):
    """Give an image 16 bits, its values those of 12."""
    write_image(path, cv2.imread(str(path)).astype(np.uint16) * 16)


def test_16_bits_are_refused_by_name_with_the_key_that_converts_them(tmp_path):
    opt = good_train(tmp_path)
    first, *others = lr_files(opt)
    for path in (first, *others):
        widen(path)
    lines = complaints(opt, is_train=True)
    said = f"datasets:train:dataroot_lq: {first}: it has 16 bits a sample; say with value_range: [LO, HI] which values"
    assert lines[0].startswith(said)
    assert any(f"{len(others) - 2} more images of {first.parent} that cannot be used" in line for line in lines)
    opt = changed(changed(opt, "datasets:train:value_range", [0, 4080]), "datasets:val:value_range", [0, 4080])
    notes = check_options(opt, is_train=True, source="a.yml")
    expected = (
        f"datasets:train:dataroot_lq: more than 8 bits: {len(others) + 1} of {len(others) + 1} images, {first.name}"
    )
    assert f"{expected}: 16 bits a sample; 0..4080 became 0..255" in notes


def test_other_bands_are_refused_by_name_with_the_key_that_chooses(tmp_path):
    opt = good_test(tmp_path)
    first, *_ = lr_files(opt, "test_1")
    height, width, _ = cv2.imread(str(first)).shape
    first.write_bytes(tiff(np.zeros((height, width, 13), np.uint8)))  # the name does not say what a file is
    (line,) = complaints(opt, is_train=False)
    assert line.startswith(f"datasets:test_1:dataroot_lq: {first}: it has 13 bands, and three or one can be used; say")
    assert "bands: [3, 2, 1]" in line


def test_an_evaluation_names_such_images_itself(tmp_path):
    opt = good_test(tmp_path)
    first, second, *_ = lr_files(opt, "test_1")
    widen(first)
    second.write_bytes(second.read_bytes()[:60])
    assert len(complaints(opt, is_train=False)) == 2
    assert check_options(opt, is_train=False, source="a.yml", passes_images=True) == [RANDOM]


def test_what_is_done_to_images_is_noted(tmp_path):
    opt = good_test(tmp_path)
    first, *others = lr_files(opt, "test_1")
    write_image(first, cv2.imread(str(first))[..., 0])
    note, _ = check_options(opt, is_train=False, source="a.yml")
    count = len(others) + 1
    assert note == (
        f"datasets:test_1:dataroot_lq: grayscale: 1 of {count} images, {first.name}: one band; repeated three times"
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("value_range", [4095, 0], "value_range: [LO, HI]: expected two values, the smaller one first"),
        ("value_range", [1], "value_range: [LO, HI]: expected two values, the smaller one first"),
        ("value_range", 4095, "value_range: expected a list of numbers, got 4095"),
        ("bands", [1, 2], "bands: [3, 2, 1]: expected the numbers of three bands or of one, counted from 1"),
        ("bands", [0.5], "bands: expected a list of whole numbers, got [0.5]"),
    ],
)
def test_conversions_that_make_no_sense(tmp_path, key, value, message):
    lines = complaints(changed(good_test(tmp_path), f"datasets:test_1:{key}", value), is_train=False)
    assert len(lines) == 1 and message in lines[0]


def test_a_few_entries_of_an_lmdb_are_looked_at(tmp_path):
    from basicsr.utils.lmdb_util import LmdbMaker

    opt = good_test(tmp_path)
    options = opt["datasets"]["test_1"]
    for root, image in (("dataroot_gt", encode(make_image(1, 64, 64))), ("dataroot_lq", tiff(WIDE[:16, :16]))):
        maker = LmdbMaker(str(tmp_path / f"{root}.lmdb"))
        maker.put(image, "a", (64, 64, 3) if root == "dataroot_gt" else (16, 16, 3))
        maker.close()
        options[root] = str(tmp_path / f"{root}.lmdb")
    options["io_backend"] = {"type": "lmdb"}
    opt["scale"] = options["scale"] = 4
    lines = complaints(opt, is_train=False)
    assert any(f"{options['dataroot_lq']}/a: it has 16 bits a sample" in line for line in lines)
