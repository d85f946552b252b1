"""What the option check, and the constructor without it, say of ``network_g: {type: SemanticSR}``."""

import pytest

from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.config import check_options
from segsr_arch.errors import ConfigError
from tests.config.paired_options import changed, good_test, good_train
from tests.config.test_check import problems
from tests.guiding.bases import BASES, base_options
from tests.support import TINY_SEMANTICS


@pytest.fixture(scope="module")
def train_opt(tmp_path_factory):
    guided = {"type": "SemanticSR", "base": base_options("EDSR"), "units": 2, "semantics": TINY_SEMANTICS}
    return {**good_train(tmp_path_factory.mktemp("train")), "network_g": guided}


def test_the_check_passes_what_can_be_built(train_opt):
    for name in BASES:
        check_options(changed(train_opt, "network_g:base", base_options(name)), is_train=True, source="some.yml")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("base:num_feet", 3, "network_g:base:num_feet: EDSR has no such option; did you mean num_feat?"),
        ("base:num_feat", "8", "network_g:base:num_feat: expected a number such as the default 64, got '8' (text)"),
        ("base:num_in_ch", ..., "network_g:base:num_in_ch: is missing; EDSR needs it"),
        ("base:upscale", 4, "network_g:base:upscale: the network enlarges x4, but scale: is 2"),
        ("base:type", "EDSRR", "network_g:base:type: 'EDSRR' is not registered; did you mean EDSR?"),
        ("base:type", "SemanticSR", "network_g:base:type: SemanticSR has a guide already; name the network that"),
        ("base:type", "SeGSR", "network_g:base:type: SeGSR has a guide already; name the network that"),
        ("base:type", ..., "network_g:base:type: is missing"),
        ("base", "EDSR", "network_g:base: expected a mapping of keys, got 'EDSR' (text)"),
        ("base", None, "network_g:base: expected a mapping of keys, got nothing"),
        ("base", ..., "network_g:base: is missing; SemanticSR needs it"),
        ("base:rgb_mean", [1, 2], "network_g: base: EDSR cannot be built (RuntimeError: "),
        ("units", 3, "network_g: units: must be from 1 to 2, the number of entries of EDSR's body; got 3."),
        ("units", ["body.0", "bodi.1"], "network_g: units: 'bodi.1' is no module of EDSR; near: body.1"),
        ("units", "body.0", "network_g:units: expected a whole number or a list of texts or ~, got 'body.0'"),
        ("unit", 2, "network_g:unit: SemanticSR has no such option; did you mean units?"),
        ("pretrain_base", "gone.pth", "network_g: pretrain_base: there is no file gone.pth"),
    ],
)
def test_the_check_names_the_key_at_fault(train_opt, path, value, words):
    (line,) = problems(changed(train_opt, f"network_g:{path}", value))
    assert line.startswith(f"  - {words}")


def test_a_scale_that_the_base_does_not_know_is_refused(tmp_path):
    opt = {**good_test(tmp_path), "scale": 3, "val": {"save_img": False, "suffix": None}}
    roots = {"dataroot_lq": str(tmp_path / "LR"), "io_backend": {"type": "disk"}}
    opt["datasets"] = {"test": {"name": "lr", "type": "SingleImageDataset", **roots}}
    opt["network_g"] = {"type": "SemanticSR", "base": base_options("RRDBNet", 3), "semantics": TINY_SEMANTICS}
    (line,) = problems(opt, is_train=False)
    assert "network_g: base: scale: 3 makes RRDBNet enlarge x4; it does not know this scale." in line
    opt["network_g"]["base"] = base_options("EDSR", 3)
    check_options(opt, is_train=False, source="some.yml")


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"type": "EDSRR"}, "base: type: 'EDSRR' is not registered; did you mean EDSR"),
        ({"type": "zzzz"}, "base: type: 'zzzz' is not registered; registered are .*EDSR"),
        ({"type": "spandrel/HATT"}, "base: type: spandrel/HATT is no network of spandrel; did you mean spandrel/HAT"),
        ({"num_feat": 8}, "base: type: is missing"),
        ({"type": "SemanticSR"}, "base: type: SemanticSR has a guide already"),
        ({"type": "EDSR", "num_feet": 8}, "base: EDSR cannot be built .TypeError: .*num_feet"),
        ({"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4}, "units: no layout of units is declared"),
    ],
)
def test_building_names_the_key_at_fault_too(base, words):
    with pytest.raises(ConfigError, match=words):
        SemanticSR(base=base, semantics=TINY_SEMANTICS)
