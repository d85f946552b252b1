"""Names that other packages register, too: theirs win, in either order of import."""

import logging

import pytest
from basicsr.archs import build_network
from basicsr.metrics import calculate_metric
from basicsr.utils import registry as stock_registry
from torch import nn

from segsr_arch.archs.hat_arch import HAT
from segsr_arch.archs.segsr_arch import SeGSR
from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.compat.repairs import registries
from segsr_arch.config.calls import find_registered
from segsr_arch.config.problems import Problems
from segsr_arch.zoo.named_networks import build_base, find_network
from tests.compat.helpers import run_python
from tests.support import TINY_HAT, TINY_SEMANTICS, make_image

REGISTRIES = ("ARCH_REGISTRY", "DATASET_REGISTRY", "MODEL_REGISTRY", "METRIC_REGISTRY")
# A program that registers names of its own and of this package, as HAT's and many a lpips.py do.
THEIRS = """\
import sys, torchvision.transforms.functional as functional
sys.modules["torchvision.transforms.functional_tensor"] = functional
import basicsr.archs, basicsr.models, basicsr.metrics
from basicsr.utils.registry import ARCH_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY
from basicsr.models.sr_model import SRModel

@ARCH_REGISTRY.register()
class HAT:
    def __init__(self, upsampler=""):
        self.upsampler = upsampler

@METRIC_REGISTRY.register()
def calculate_lpips(img, img2, **kwargs):
    return 42.0

@MODEL_REGISTRY.register()
class SeGSRModel(SRModel):
    pass

import segsr_arch
from basicsr.archs import build_network
from basicsr.metrics import calculate_metric
assert type(build_network({"type": "HAT", "upsampler": "theirs"})) is HAT
assert calculate_metric({"img": 0, "img2": 0}, {"type": "calculate_lpips"}) == 42.0
assert MODEL_REGISTRY.get("SeGSRModel") is SeGSRModel
assert ARCH_REGISTRY.get("HAT_segsr").__module__ == "segsr_arch.archs.hat_arch"
assert ARCH_REGISTRY.get("SeGSR").__module__ == "segsr_arch.archs.segsr_arch"
"""


class _Theirs(nn.Module):
    """A network of another package, called HAT there."""

    def __init__(self, upsampler: str = "") -> None:
        super().__init__()
        self.upsampler = upsampler


@pytest.fixture
def their_hat(monkeypatch):
    """HAT of a package that is imported after this one."""
    cls = type("HAT", (_Theirs,), {"__module__": "hat.archs.hat_arch"})
    for name in REGISTRIES:
        registry = getattr(stock_registry, name)
        monkeypatch.setattr(registry, "_obj_map", dict(registry._obj_map))
    monkeypatch.setattr(registries, "_said", set())
    stock_registry.ARCH_REGISTRY.register(cls)
    return cls


def test_a_name_of_ours_is_ours_where_nobody_else_has_it(capsys):
    assert stock_registry.ARCH_REGISTRY.get("HAT") is find_network("HAT") is HAT
    assert isinstance(build_network({"type": "HAT", **TINY_HAT}), HAT)
    assert "is not found" not in capsys.readouterr().out


def test_no_name_of_ours_is_taken_without_the_suffix():
    for name in REGISTRIES:
        for key, registered in getattr(stock_registry, name):
            if registered.__module__.startswith("segsr_arch.") and not key.startswith("spandrel/"):
                assert key == f"{registered.__name__}_segsr"


def test_a_name_that_is_registered_later_is_theirs(their_hat, caplog):
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert type(build_network({"type": "HAT", "upsampler": "pixelshuffle"})) is their_hat
    assert caplog.messages == ["HAT is that of hat.archs.hat_arch; HAT_segsr is the one of segsr_arch."]
    assert find_network("HAT") is find_registered(Problems(), stock_registry.ARCH_REGISTRY, "HAT") is their_hat
    assert type(build_base({"type": "HAT_segsr", **TINY_HAT})) is HAT


def test_names_that_were_registered_before_are_theirs(tmp_path):
    process = run_python("-c", THEIRS, cwd=tmp_path)
    assert process.returncode == 0, process.stderr


def test_segsr_has_a_hat_of_its_own(their_hat):
    net = SeGSR(**TINY_HAT, semantics=TINY_SEMANTICS)
    assert type(net.base) is HAT
    SeGSR.check_options({"type": "SeGSR", **TINY_HAT, "semantics": TINY_SEMANTICS})
    by_name = SemanticSR(base={"type": "HAT_segsr", **TINY_HAT}, semantics=TINY_SEMANTICS)
    net.load_state_dict(by_name.state_dict(), strict=True)


def test_a_metric_that_is_registered_later_is_theirs(their_hat):
    def calculate_lpips(img, img2, **kwargs):
        return 7.0

    stock_registry.METRIC_REGISTRY.register(calculate_lpips)
    image = make_image(0, 16, 16)
    assert calculate_metric({"img": image, "img2": image}, {"type": "calculate_lpips"}) == 7.0


def test_names_of_basicsr_with_its_suffix_are_found_without_printing(capsys):
    assert stock_registry.MODEL_REGISTRY.get("RealESRGANModel").__module__ == "basicsr.models.realesrgan_model"
    assert capsys.readouterr().out == ""


def test_a_name_that_nobody_has_is_an_error_and_a_hint():
    with pytest.raises(KeyError, match="No object named 'HATT' found in 'arch' registry"):
        stock_registry.ARCH_REGISTRY.get("HATT")
    problems = Problems()
    assert find_registered(problems.at("network_g", "type"), stock_registry.ARCH_REGISTRY, "HATT") is None
    assert problems.lines == ["network_g:type: 'HATT' is not registered; did you mean HAT?"]


def test_another_suffix_is_looked_up_as_before():
    registry = stock_registry.Registry("mine")
    registry.register(HAT, suffix="other")
    assert registry.get("HAT", suffix="other") is HAT
    with pytest.raises(KeyError):
        registry.get("HAT")
