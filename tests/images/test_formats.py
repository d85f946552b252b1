import io

import numpy as np
import pytest
from PIL import Image

from segsr_arch.images.formats import IMAGE_SUFFIXES, LONGEST_SIGNATURE, READ_SUFFIXES, reader_of
from segsr_arch.images.reading import read_header


@pytest.mark.parametrize("ending", sorted(READ_SUFFIXES))
def test_files_with_a_listed_ending_are_read(ending):
    packed = io.BytesIO()
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(packed, Image.registered_extensions()[ending])
    header = read_header(packed.getvalue())
    assert (header.height, header.width) == (4, 5)
    assert packed.getvalue()[:LONGEST_SIGNATURE].startswith(reader_of(packed.getvalue()[:LONGEST_SIGNATURE]).SIGNATURES)


def test_of_two_images_of_one_name_the_one_that_lost_least_is_preferred():
    assert IMAGE_SUFFIXES == (".tif", ".tiff", ".png", ".webp", ".jpg", ".jpeg")
    assert set(IMAGE_SUFFIXES) < READ_SUFFIXES
