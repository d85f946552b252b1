"""pyiqa is not a dependency of the tests: a small module with the same functions stands in for it."""

import logging
import sys
import types

import numpy as np
import pytest
import torch

from segsr_arch.errors import ConfigError, DataError, DependencyError, WeightsError
from segsr_arch.metrics import pyiqa_metrics
from segsr_arch.metrics.catalogue import find_metric
from tests.support import make_image

CPU = torch.device("cpu")


class Metric:
    """What ``create_metric`` returns: takes (1, 3, H, W) R, G, B in [0, 1], one image or two."""

    def __init__(self, name, mode):
        self.name, self.metric_mode = name, mode

    def __call__(self, target, ref=None):
        assert (ref is None) == (self.metric_mode == "NR")
        assert target.shape[2] >= 16, "too small"
        if ref is None:
            return target[:, 0].mean().reshape(1)  # red
        return (target - ref).abs().mean().reshape(1, 1)


@pytest.fixture
def pyiqa(monkeypatch):
    module, configs = types.ModuleType("pyiqa"), types.ModuleType("pyiqa.default_model_configs")
    configs.DEFAULT_CONFIGS = {
        "niqe": {"metric_mode": "NR", "lower_better": True},
        "musiq": {"metric_mode": "NR"},
        "fsim": {"metric_mode": "FR"},
        "fid": {"metric_mode": "NR", "lower_better": True},
    }

    def create_metric(metric_name, as_loss=False, device=None):
        if metric_name == "musiq":
            raise OSError("no network")
        return Metric(metric_name, configs.DEFAULT_CONFIGS[metric_name]["metric_mode"])

    module.__version__, module.create_metric, module.default_model_configs = "0.0.test", create_metric, configs
    monkeypatch.setitem(sys.modules, "pyiqa", module)
    monkeypatch.setitem(sys.modules, "pyiqa.default_model_configs", configs)
    pyiqa_metrics._say_licence_once.cache_clear()
    return module


def test_what_pyiqa_says_of_a_metric(pyiqa):
    niqe, fsim = find_metric("pyiqa:niqe"), find_metric("pyiqa:fsim")
    assert (niqe.better, niqe.needs, niqe.name) == ("lower", "nothing", "pyiqa:niqe")
    assert (fsim.better, fsim.needs) == ("higher", "gt")
    assert "PolyForm Noncommercial" in niqe.licence_notice


def test_values_and_the_licence_once(pyiqa, caplog):
    image, other = make_image(0, 20, 24), make_image(1, 20, 24)
    with caplog.at_level(logging.WARNING, logger=pyiqa_metrics.__name__):
        niqe, fsim = (find_metric(f"pyiqa:{name}").load(device=CPU) for name in ("niqe", "fsim"))
    assert niqe(image, None, None, 4) == pytest.approx(image[..., 2].mean() / 255, abs=1e-6)
    expected = np.abs(image.astype(float) - other).mean() / 255
    assert fsim(image, other, None, 4) == pytest.approx(expected, abs=1e-6)
    assert niqe.backend == "pyiqa 0.0.test"
    assert [record.message for record in caplog.records] == [f"LICENCE: {pyiqa_metrics.LICENCE_NOTICE}"]


def test_wrong_names(pyiqa):
    with pytest.raises(ConfigError, match=r"pyiqa has no metric 'niqee'; did you mean niqe\?"):
        find_metric("pyiqa:niqee")
    with pytest.raises(ConfigError, match="compares whole folders; use kid"):
        find_metric("pyiqa:fid")


def test_weights_that_cannot_be_had_and_images_that_are_too_small(pyiqa):
    with pytest.raises(WeightsError, match=r"pyiqa:musiq: pyiqa cannot load it \(OSError: no network\)"):
        find_metric("pyiqa:musiq").load(device=CPU)
    with pytest.raises(DataError, match=r"pyiqa:niqe: cannot measure an image of 8 x 24 pixels .*too small"):
        find_metric("pyiqa:niqe").load(device=CPU)(make_image(0, 8, 24), None, None, 4)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(DependencyError, match=r"pip install 'segsr-arch\[iqa\]'.*PolyForm Noncommercial"):
        find_metric("pyiqa:niqe")
