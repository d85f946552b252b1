"""Metrics on data sets without ground truth: those that need none are let through, the others found before the run."""

import logging
import sys

import pytest
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils import get_root_logger
from basicsr.utils.logger import initialized_logger
from basicsr.utils.registry import DATASET_REGISTRY

from segsr_arch.config.ground_truth import check_ground_truth
from segsr_arch.config.problems import Problems
from tests.cli.runs import make_options, make_pairs
from tests.support import know_to_pyiqa

PSNR = {"type": "calculate_psnr", "crop_border": 0}
NIQE = {"type": "calculate_niqe", "crop_border": 0, "better": "lower"}
CLIP_IQA = {"type": "calculate_clip_iqa"}


@pytest.fixture
def pyiqa(monkeypatch):
    know_to_pyiqa(monkeypatch, musiq="NR")


@pytest.fixture
def registered():
    """Function that registers a data set class for the test."""
    names = []

    def register(cls):
        DATASET_REGISTRY.register(cls)
        names.append(cls.__name__)
        return cls.__name__

    yield register
    for name in names:
        del DATASET_REGISTRY._obj_map[name]


def lines(folder, metrics, **changes):
    """Problems of a run whose validation set has these changes."""
    make_pairs(folder, count=2)
    opt = make_options(folder, val_freq=4)
    opt["datasets"]["val"] |= changes
    opt["val"]["metrics"] = metrics
    problems = Problems()
    check_ground_truth(problems, opt)
    return problems.lines


def test_single_images_have_none_and_only_the_metrics_that_compare_are_named(tmp_path, pyiqa):
    single = {"type": "SingleImageDataset"}
    free = {"niqe": NIQE, "iqa": CLIP_IQA, "musiq": {"type": "calculate_pyiqa", "metric": "musiq"}}
    assert lines(tmp_path, free, **single) == []
    (line,) = lines(tmp_path, {"niqe": NIQE, "psnr": PSNR, "ssim": {**PSNR, "type": "calculate_ssim"}}, **single)
    assert line == (
        "datasets:val: SingleImageDataset has no ground truth for val:metrics (psnr, ssim); give a PairedImageDataset "
        "with dataroot_gt, or remove these metrics"
    )
    assert lines(tmp_path, {"psnr": PSNR}) == []


def test_metrics_that_are_wrong_are_left_to_their_own_check(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    wrong = {"a": {"type": "gone"}, "b": 3, "c": {"type": "calculate_pyiqa", "metric": "musiq"}, "d": {}}
    assert lines(tmp_path, wrong, type="SingleImageDataset") == []


def test_items_of_a_data_set_from_elsewhere_are_looked_at(tmp_path, registered):
    made = []

    class Scenes(PairedImageDataset):
        def __init__(self, opt):
            get_root_logger().info("made")
            made.append(opt)
            super().__init__(opt)

        def __getitem__(self, index):
            item = super().__getitem__(index)
            return item if self.opt.get("truth") else {"lq": item["lq"], "lq_path": item["lq_path"]}

    Scenes.__module__ = "elsewhere"
    name = registered(Scenes)
    before = list(logging.getLogger("basicsr").handlers)
    (line,) = lines(tmp_path, {"psnr": PSNR}, type=name)
    assert line.startswith("datasets:val: Scenes has no ground truth for val:metrics (psnr)")
    assert (made[0]["phase"], made[0]["scale"]) == ("val", 2)
    assert lines(tmp_path, {"psnr": PSNR}, type=name, truth=True) == []
    assert len(made) == 2 and lines(tmp_path, {"niqe": NIQE}, type=name) == [] and len(made) == 2
    # the run that follows still gets its log file
    assert initialized_logger == {} and logging.getLogger("basicsr").handlers == before


def test_a_data_set_from_elsewhere_that_cannot_be_read_is_a_problem(tmp_path, registered):
    class Broken:
        def __init__(self, opt):
            raise OSError("no such disk")

    Broken.__module__ = "elsewhere"
    (line,) = lines(tmp_path, {"psnr": PSNR}, type=registered(Broken))
    assert line == "datasets:val: its first item cannot be read (OSError: no such disk)"


def test_options_of_the_data_set_stay_as_they_are(tmp_path, registered):
    class Popping(PairedImageDataset):
        pass

    Popping.__module__ = "elsewhere"
    make_pairs(tmp_path, count=2)
    opt = make_options(tmp_path, val_freq=4)
    opt["datasets"]["val"]["type"] = registered(Popping)
    check_ground_truth(Problems(), opt)
    assert opt["datasets"]["val"]["io_backend"] == {"type": "disk"}
