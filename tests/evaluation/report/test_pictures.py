import base64

import cv2
import numpy as np
import pytest

from segsr_arch.errors import DataError
from segsr_arch.evaluation.report.painted_maps import ColourScale, read_shown_maps
from segsr_arch.evaluation.report.pictures import MAX_SIDE, Pictures, centre_part, encode, to_display
from segsr_arch.results.references import ImageReference
from tests.support import make_image, write_image


def decode(address):
    head, data = address.split(",")
    assert head == "data:image/webp;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)


def test_pictures_are_lossless():
    image = make_image(0)
    assert np.array_equal(decode(encode(image)), image)


def test_a_file_that_is_asked_for_twice_is_embedded_once(tmp_path):
    pictures = Pictures(scale=4)
    reference = ImageReference(path=str(write_image(tmp_path / "a.png", make_image(1))))
    assert pictures.add_file(reference, factor=4) == pictures.add_file(reference, factor=4) == "p0"
    assert list(pictures.encoded) == ["p0"]
    assert pictures.size([None, "p0"]) == (64, 64)


def test_missing_and_broken_files_are_noted_once(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    pictures = Pictures(scale=4)
    for name in ("gone.png", "broken.png", "gone.png"):
        assert pictures.add_file(ImageReference(path=str(tmp_path / name)), factor=4) is None
    assert len(pictures.missing) == 2
    assert "gone.png" in pictures.missing[0]
    assert "broken.png" in pictures.missing[1]


def test_the_middle_of_a_large_image_is_the_same_part_in_lr_and_hr(tmp_path):
    lq = np.arange(300 * 500, dtype=np.uint32).reshape(300, 500)
    hr = lq.repeat(4, axis=0).repeat(4, axis=1)
    part, large = centre_part(lq, scale=4, factor=1), centre_part(hr, scale=4, factor=4)
    assert large.shape == (MAX_SIDE, MAX_SIDE)
    assert np.array_equal(large[::4, ::4], part)
    pictures = Pictures(scale=4)
    pictures.add_file(
        ImageReference(path=str(write_image(tmp_path / "a.png", np.zeros((300, 500), np.uint8)))), factor=1
    )
    assert pictures.cut == (1200, 2000)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((2, 3), 65535, np.uint16), 255),
        (np.full((2, 3, 3), 257 * 7, np.uint16), 7),
        (np.full((2, 3, 4), 9, np.uint8), 9),
        (np.full((2, 3, 1), 0.5, np.float32), 128),
        (np.full((2, 3, 3), np.nan, np.float32), 0),
        (np.full((2, 3, 3), 7.0, np.float32), 255),
    ],
)
def test_any_depth_is_shown_as_8_bit_colour(image, expected):
    shown = to_display(image)
    assert shown.dtype == np.uint8
    assert shown.shape == (2, 3, 3)
    assert (shown == expected).all()


def test_the_same_cosine_has_the_same_colour_and_bright_is_high():
    scale = ColourScale(low=-0.5, high=0.5)
    one, other = scale.paint(np.array([[-0.5, 0.0]])), scale.paint(np.array([[0.0, 0.5]]))
    assert np.array_equal(one[0, 1], other[0, 0])
    assert one[0, 0].astype(int).sum() < other[0, 1].astype(int).sum()
    legend = decode(scale.legend())
    assert np.array_equal(legend[0, 0], one[0, 0])
    assert np.array_equal(legend[0, -1], other[0, 1])


def test_maps_lie_where_the_patches_lie(tmp_path):
    # patches of 8 LR pixels; the grid of 3 x 3 reaches beyond an image of 20 x 20
    cosines = np.zeros((1, 3, 3), np.float16)
    cosines[0, 1, 2] = 1.0
    path = tmp_path / "a.npz"
    np.savez(path, maps=cosines, cells_per_pixel=1 / 8)
    maps = read_shown_maps(ImageReference(path=str(path)), size=(20, 20), scale=4)
    assert maps.shape == (1, 20, 20)
    peak = np.unravel_index(maps[0].argmax(), (20, 20))
    assert peak[0] in (11, 12)  # the centre of row 1 is 12 pixels down
    assert peak[1] == 19  # the centre of column 2 is 20 pixels right


@pytest.mark.parametrize("content", [None, b"no archive", {"other": np.zeros(2)}])
def test_missing_and_broken_maps_are_data_errors(tmp_path, content):
    path = tmp_path / "a.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(DataError, match=r"a\.npz"):
        read_shown_maps(ImageReference(path=str(path)), size=(4, 4), scale=4)
