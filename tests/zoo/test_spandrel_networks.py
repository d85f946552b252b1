import copy
import importlib.util
import logging
import pickle
import sys

import pytest
import torch
from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.config import check_options
from segsr_arch.errors import ConfigError, DependencyError
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.zoo import spandrel_networks
from segsr_arch.zoo.named_networks import Base, build_base
from tests.cli.runs import losses, make_options, make_pairs, run_here, start, write_options
from tests.config.paired_options import changed, good_test, good_train
from tests.config.test_check import problems
from tests.support import TINY_SEMANTICS

TINY_SRFORMER = {
    "type": "spandrel/SRFormer",
    "embed_dim": 12,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 8,
    "upsampler": "pixelshuffle",
    "upscale": 2,
}
NON_COMMERCIAL = "LICENCE of spandrel/SRFormer: CC BY-NC 4.0, non-commercial use only"


@pytest.fixture(autouse=True)
def fresh_zoo(monkeypatch):
    """A process that has built and registered nothing of spandrel yet, and finds packages anew."""
    monkeypatch.setattr(spandrel_networks, "_said", set())
    monkeypatch.setattr(ARCH_REGISTRY, "_obj_map", dict(ARCH_REGISTRY._obj_map))
    spandrel_networks._networks.cache_clear()
    yield
    spandrel_networks._networks.cache_clear()


@pytest.fixture
def srformer():
    if importlib.util.find_spec("spandrel_extra_arches") is None:
        pytest.skip("spandrel_extra_arches is not installed: pip install 'segsr-arch[zoo]'")
    return dict(TINY_SRFORMER)


def tiny_hat(upscale=2):
    sizes = {"embed_dim": 12, "depths": [1], "num_heads": [2], "window_size": 4, "squeeze_factor": 6}
    return {"type": "spandrel/HAT", **sizes, "upsampler": "pixelshuffle", "upscale": upscale}


def test_classes_are_found_by_spandrels_names(srformer):
    from spandrel.architectures.HAT import HAT
    from spandrel.architectures.PLKSR import RealPLKSR
    from spandrel_extra_arches.architectures.SRFormer import SRFormer

    assert spandrel_networks.find_network("HAT") is HAT
    assert spandrel_networks.find_network("RealPLKSR") is RealPLKSR
    assert spandrel_networks.find_network("SRFormer") is SRFormer


def test_unknown_names_get_the_nearest():
    with pytest.raises(ConfigError, match="spandrel/SwinIr is no network of spandrel; did you mean spandrel/SwinIR"):
        spandrel_networks.find_network("SwinIr")
    with pytest.raises(ConfigError, match="spandrel/zzzz is no network of spandrel; known are: .*HAT.*RCAN"):
        spandrel_networks.find_network("zzzz")


def test_what_is_not_installed_comes_with_the_pip_command(monkeypatch):
    command = r"pip install 'segsr-arch\[zoo\]'"
    monkeypatch.setitem(sys.modules, "spandrel_extra_arches", None)
    with pytest.raises(DependencyError, match=f"SRFormer needs spandrel_extra_arches.*{command}"):
        spandrel_networks.find_network("SRFormer")
    with pytest.raises(ConfigError, match=f"spandrel/Rest is no network.*has more, is not installed: {command}"):
        spandrel_networks.find_network("Rest")
    assert spandrel_networks.find_network("HAT").__name__ == "HAT"
    spandrel_networks._networks.cache_clear()
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(DependencyError, match=f"spandrel/HAT needs spandrel, which is not.*{command}"):
        spandrel_networks.find_network("HAT")
    with pytest.raises(DependencyError, match="base: type: spandrel/HAT needs spandrel"):
        build_base({"type": "spandrel/HAT"})


def test_a_package_that_cannot_be_imported_is_explained(monkeypatch):
    monkeypatch.setitem(sys.modules, "spandrel.architectures", None)
    with pytest.raises(DependencyError, match="spandrel is installed but cannot be imported"):
        spandrel_networks.find_network("HAT")


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [
        ("SRFormer", logging.WARNING, NON_COMMERCIAL + " (from the README of github.com/HVision-NKU/SRFormer"),
        ("HAT", logging.INFO, "LICENCE of spandrel/HAT: Apache-2.0 (from the LICENSE of"),
        ("RCAN", logging.INFO, "not known here, look it up; the package spandrel says that it has permissive"),
        (
            "Restormer",
            logging.WARNING,
            "not known here, look it up; the package spandrel_extra_arches says that it has",
        ),
    ],
)
def test_a_licence_is_said_once(srformer, caplog, name, level, words):
    caplog.set_level(logging.INFO, "segsr_arch")
    spandrel_networks.say_licence(name)
    spandrel_networks.say_licence(name)
    ((_, found, text),) = caplog.record_tuples
    assert found == level and words in text


def test_what_the_packages_say_of_their_licences_is_still_there(srformer):
    from importlib.metadata import metadata

    says = " ".join(metadata("spandrel").get_payload().split())
    assert "permissive and public domain licenses" in says and "(MIT, Apache 2.0, public domain)" in says
    assert "non-commercial and copyleft licenses" in " ".join(metadata("spandrel_extra_arches").get_payload().split())


def test_a_base_says_its_licence_when_it_is_built_and_not_when_it_is_outlined(srformer, caplog):
    Base.from_options(srformer).outline()
    assert caplog.text == ""
    network = build_base(srformer)
    assert caplog.text.count(NON_COMMERCIAL) == 1
    assert type(network).__name__ == "SRFormer" and "conv_first.weight" in network.state_dict()


def test_basicsr_builds_it_by_name_and_says_its_licence(srformer, caplog):
    with pytest.raises(KeyError):
        build_network(srformer)
    spandrel_networks.register("SRFormer")
    spandrel_networks.register("SRFormer")
    first, second = build_network(srformer), build_network(srformer)
    assert caplog.text.count(NON_COMMERCIAL) == 1
    arguments = {key: value for key, value in srformer.items() if key != "type"}
    direct = spandrel_networks.find_network("SRFormer")(**arguments)
    assert type(first) is type(direct) and list(first.state_dict()) == list(direct.state_dict())
    second.load_state_dict(first.state_dict())
    lq = torch.rand(1, 3, 9, 9)
    copied, unpickled = copy.deepcopy(first), pickle.loads(pickle.dumps(first))
    with torch.no_grad():
        expected = first.eval()(lq)
        for network in (second, copied, unpickled):
            torch.testing.assert_close(network.eval()(lq), expected)


@pytest.fixture(scope="module")
def train_opt(tmp_path_factory):
    return good_train(tmp_path_factory.mktemp("train"))


def test_the_option_check_sees_the_arguments_of_decorated_constructors(train_opt, caplog):
    opt = changed(train_opt, "network_g", tiny_hat())
    check_options(opt, is_train=True, source="some.yml")
    (line,) = problems(changed(opt, "network_g:embed_dims", 12))
    assert line == "  - network_g:embed_dims: HAT has no such option; did you mean embed_dim?"
    (line,) = problems(changed(opt, "network_g:upscale", 4))
    assert "network_g:upscale: the network enlarges x4, but scale: is 2" in line
    (line,) = problems(changed(opt, "network_g:type", "spandrel/HATT"))
    assert "network_g:type: spandrel/HATT is no network of spandrel; did you mean spandrel/HAT" in line
    (line,) = problems(changed(opt, "network_g:num_heads", []))
    assert "network_g: the network cannot be built" in line
    assert "LICENCE" not in caplog.text, "nothing has been built yet"


def test_the_option_check_names_keys_of_a_base(train_opt):
    guided = {"type": "SemanticSR", "base": tiny_hat(), "units": 1, "semantics": TINY_SEMANTICS}
    opt = changed(train_opt, "network_g", guided)
    check_options(opt, is_train=True, source="some.yml")
    (line,) = problems(changed(opt, "network_g:base:embed_dims", 12))
    assert line == "  - network_g:base:embed_dims: HAT has no such option; did you mean embed_dim?"


def test_train_and_load_a_plain_network(srformer, tmp_path, monkeypatch):
    make_pairs(tmp_path)
    write_options(tmp_path, {**make_options(tmp_path, iterations=2), "network_g": srformer})
    assert run_here(["train", "-opt", "tiny.yml"], monkeypatch, tmp_path) == 0
    assert list(losses(tmp_path)) == [1, 2]
    (log,) = (tmp_path / "experiments" / "tiny").glob("train_*.log")
    assert log.read_text().count(NON_COMMERCIAL) == 1
    assert "Network [SRFormer] is created" in log.read_text()

    monkeypatch.setattr(ARCH_REGISTRY, "_obj_map", dict(ARCH_REGISTRY._obj_map))
    del ARCH_REGISTRY._obj_map["spandrel/SRFormer"]  # as in a process of its own
    opt = {**good_test(tmp_path), "network_g": srformer}
    opt["path"] = {"pretrain_network_g": "experiments/tiny/models/net_g_latest.pth"}
    trained = load_trained(write_options(tmp_path, opt, "test.yml"), device="cpu")
    assert type(trained.network).__name__ == "SRFormer"
    assert trained.super_resolve(next(trained.datasets())[1][0]).shape == (3, 16, 16)


@pytest.mark.slow
def test_each_rank_finds_it(srformer, tmp_path):
    make_pairs(tmp_path)
    write_options(tmp_path, {**make_options(tmp_path, iterations=2), "network_g": srformer})
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    with start(["train", "-opt", "tiny.yml", "--launcher", "pytorch"], tmp_path, launcher=launcher) as process:
        output, _ = process.communicate()
    assert process.returncode == 0, output
    assert list(losses(tmp_path)) == [1, 2] and output.count(NON_COMMERCIAL) == 1
