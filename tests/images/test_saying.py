import logging

import pytest
from basicsr.data.single_image_dataset import SingleImageDataset

from segsr_arch.config.image_kinds import check_kinds
from segsr_arch.config.images import list_images
from segsr_arch.config.problems import Problems
from segsr_arch.images.saying import forget_said
from segsr_arch.results.references import ImageReference
from tests.support import make_image, write_image


@pytest.fixture
def grey(tmp_path, caplog):
    """A folder of three grey images; messages are caught."""
    for number in range(3):
        write_image(tmp_path / f"grey/{number}.png", make_image(number, channels=1))
    caplog.set_level(logging.WARNING, logger="segsr_arch")
    logging.getLogger("segsr_arch").addHandler(caplog.handler)
    forget_said()
    yield tmp_path / "grey"
    forget_said()
    logging.getLogger("segsr_arch").removeHandler(caplog.handler)


def options(folder):
    return {"io_backend": {"type": "disk"}, "dataroot_lq": str(folder)}


def said(caplog):
    return list(dict.fromkeys(record.getMessage() for record in caplog.records))


def test_a_loop_says_once_for_a_folder_what_it_does(grey, caplog):
    for _ in range(2):
        list(SingleImageDataset(options(grey)))
    (line,) = said(caplog)
    assert line == f"{grey}/0.png: one band; repeated three times (said once for {grey})."


def test_an_evaluation_says_it_too(grey, caplog, tmp_path):
    write_image(tmp_path / "other/a.png", make_image(5, channels=1))
    for path in (grey / "1.png", grey / "2.png", tmp_path / "other/a.png"):
        ImageReference(path=str(path)).read()
    assert [line.partition(":")[0] for line in said(caplog)] == [f"{grey}/1.png", f"{tmp_path}/other/a.png"]


def test_what_the_option_check_has_noted_is_not_said_again(grey, caplog):
    problems = Problems().at("datasets", "test")
    listing = list_images(problems.at("dataroot_lq"), str(grey), lmdb=False)
    check_kinds(problems, options(grey), {"dataroot_lq": listing})
    assert problems.notes == [
        "datasets:test:dataroot_lq: grayscale: 3 of 3 images, 0.png: one band; repeated three times"
    ]
    list(SingleImageDataset(options(grey)))
    assert said(caplog) == []
