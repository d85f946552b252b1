import sys
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import scipy.linalg
from basicsr.data import degradations
from basicsr.metrics import fid
from basicsr.utils import init_wandb_logger

from segsr_arch.compat.repairs import fid as fid_repair
from segsr_arch.errors import DependencyError
from tests.support import make_image


def test_stock_jpeg_needs_whole_numbers(stock):
    image = make_image(0).astype(np.float32) / 255
    with pytest.raises(cv2.error, match="imencode"):
        stock("basicsr.data.degradations").add_jpg_compression(image, 90.4)


@pytest.mark.parametrize("quality, whole", [(30.4, 30), (np.float64(30.6), 31), (50, 50)])
def test_jpeg_quality_is_rounded(stock, quality, whole):
    image = make_image(0).astype(np.float32) / 255
    expected = stock("basicsr.data.degradations").add_jpg_compression(image, whole)
    assert np.array_equal(degradations.add_jpg_compression(image, quality), expected)


def test_random_jpeg_uses_it():
    image = make_image(0).astype(np.float32) / 255
    assert degradations.random_add_jpg_compression(image, (20, 30)).shape == image.shape


def test_fid_without_the_argument_that_scipy_removed(stock, monkeypatch):
    module = stock("basicsr.metrics.fid")
    real = scipy.linalg.sqrtm
    module.linalg = SimpleNamespace(sqrtm=lambda A: real(A))
    monkeypatch.setitem(sys.modules, "basicsr.metrics.fid", module)
    monkeypatch.setattr(sys.modules["basicsr.metrics"], "fid", module)
    one, two = (np.zeros(2), np.diag([1.0, 4.0])), (np.array([3.0, 0]), np.diag([4.0, 4.0]))
    with pytest.raises(TypeError, match="disp"):
        module.calculate_fid(*one, *two)
    assert fid_repair.repair() and not fid_repair.repair()
    assert module.calculate_fid(*one, *two) == pytest.approx(9 + (2 - 1) ** 2)


def test_fid_with_the_scipy_here():
    square = np.diag([1.0, 4.0])
    assert fid.calculate_fid(np.zeros(2), square, np.zeros(2), square) == pytest.approx(0, abs=1e-9)


@pytest.fixture
def wandb(monkeypatch):
    """A wandb that has moved ``generate_id``."""
    module = ModuleType("wandb")
    module.util, module.runs = ModuleType("wandb.util"), []
    module.init = lambda **options: module.runs.append(options)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


OPTIONS = {"name": "a", "logger": {"wandb": {"project": "p"}}}


def test_stock_wandb_fails(wandb, stock):
    with pytest.raises(AttributeError, match="generate_id"):
        stock("basicsr.utils.logger").init_wandb_logger(OPTIONS)


def test_wandb_run_gets_a_new_name_each_time(wandb):
    init_wandb_logger(OPTIONS)
    init_wandb_logger(OPTIONS)
    names = [run["id"] for run in wandb.runs]
    assert len(set(names)) == 2 and all(len(name) == 8 and name.isalnum() for name in names)


def test_wandb_of_old_keeps_its_own(wandb):
    wandb.util.generate_id = lambda: "theirs"
    init_wandb_logger(OPTIONS)
    assert wandb.runs[0]["id"] == "theirs"


def test_wandb_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(DependencyError, match="pip install wandb"):
        init_wandb_logger(OPTIONS)


def test_colour_conversions_are_found_where_programs_for_version_1_3_look_for_them(stock):
    from basicsr.utils import color_util, matlab_functions

    assert not hasattr(stock("basicsr.utils.matlab_functions"), "rgb2ycbcr")
    for name in ("rgb2ycbcr", "bgr2ycbcr", "ycbcr2rgb", "ycbcr2bgr"):
        assert getattr(matlab_functions, name) is getattr(color_util, name)
