import pytest

import segsr_arch  # noqa: F401
from segsr_arch.config import check_options
from tests.compat.test_cpu_models import DEGRADATION
from tests.config.paired_options import changed, good_test, good_train
from tests.config.test_check import problems


def degrading(folder):
    """Options of a training that degrades images itself, on a data set without LR images."""
    opt = {**good_train(folder), "model_type": "RealESRNetModel", **DEGRADATION, "gt_size": 16}
    opt = {key: value for key, value in opt.items() if key not in ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm")}
    del opt["datasets"]["val"], opt["val"]
    opt["datasets"]["train"] |= {"type": "RealESRGANDataset"}
    return opt


def test_degradation_that_is_not_said_is_found(tmp_path):
    opt = degrading(tmp_path)
    check_options(opt, is_train=True, source="some.yml")
    lines = problems(changed(changed(opt, "jpeg_range2", ...), "gt_usm", ...))
    assert lines == [
        "  - jpeg_range2: is missing; RealESRNetModel needs it to degrade images",
        "  - gt_usm: is missing; RealESRNetModel needs it to degrade images",
    ]


@pytest.mark.parametrize(("size", "words"), [(3, "3 is no multiple"), (..., None)])
def test_pool_that_batches_do_not_fill(tmp_path, size, words):
    opt = changed(degrading(tmp_path), "queue_size", size)
    if words is None:
        check_options(opt, is_train=True, source="some.yml")  # 180 by default, batches of two
        return
    (line,) = problems(opt)
    assert f"queue_size: {words} of batch_size_per_gpu: 2; take 4" in line


def test_recurrent_video_models_cannot_validate_while_they_train(tmp_path):
    opt = {**good_train(tmp_path), "model_type": "VideoRecurrentModel"}
    (line,) = problems(opt)
    assert "VideoRecurrentModel of BasicSR fails in any validation while it trains" in line


@pytest.mark.parametrize("suffix", ["a/b", "..", "x" * 300])
def test_suffix_of_file_names_is_checked(tmp_path, suffix):
    (line,) = problems(changed(good_test(tmp_path), "val:suffix", suffix), is_train=False)
    assert "val:suffix: " in line and "becomes a part of file names" in line
