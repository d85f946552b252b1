"""What networks declare is what they do: sizes, precisions, programs, units; and every one of them can be trained."""

import copy
import dataclasses
import inspect

import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from segsr_arch.capabilities import PRECISIONS, Capabilities, SizeRule, capabilities_of, size_rule_of
from segsr_arch.errors import ConfigError
from segsr_arch.export.program import TOLERANCE, export_program
from segsr_arch.guiding.units import entries
from segsr_arch.inference.form import to_inference_form
from segsr_arch.inference.super_resolution import super_resolve
from tests.inference.test_size_trial import LargeKernel
from tests.networks import CHOOSING, NETWORKS, SCALE, make


def images(height, width, count=1):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def passes(network, height, width):
    """Whether a network enlarges an image of this size that is handed to it as it is."""
    try:
        with torch.no_grad():
            return network(images(height, width)).shape == (1, 3, SCALE * height, SCALE * width)
    except (RuntimeError, AssertionError):
        return False


def undeclared(network, monkeypatch):
    """Forget what is declared of precisions and programs, so that they are tried."""
    known = dataclasses.replace(capabilities_of(network), precisions=tuple(PRECISIONS), exportable=True)
    monkeypatch.setattr(network, "capabilities", known, raising=False)


def test_no_network_swallows_an_option_that_it_does_not_have():
    ours = {name: network for name, network in ARCH_REGISTRY if network.__module__.startswith("segsr_arch.")}
    assert {"SeGSR_segsr", "SemanticSR_segsr", "HAT_segsr", "MSSD_segsr", "PixelDiffusion_segsr"} <= set(ours)
    for name, network in ours.items():
        kinds = {parameter.kind for parameter in inspect.signature(network).parameters.values()}
        assert kinds <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}, name
        with pytest.raises(TypeError, match="novel"):
            network(novel=1)


@pytest.mark.parametrize("name", NETWORKS)
def test_sizes_that_keep_to_the_rule_are_taken_and_others_are_padded(name):
    network = make(name)
    rule = size_rule_of(network)
    assert passes(network, rule.padded(1), rule.padded(rule.minimum + 1))
    assert passes(network, rule.padded(20), rule.padded(31))
    if capabilities_of(network).takes_any_size:
        assert all(passes(network, *size) for size in ((1, 1), (7, 13), (17, 16)))
    elif rule != SizeRule():
        assert not all(passes(network, *size) for size in ((1, 1), (rule.multiple + 1, rule.multiple)))
    for height, width in ((1, 1), (7, 13), (17, 16)):
        with torch.no_grad():
            assert super_resolve(network, images(height, width), scale=SCALE).shape[2:] == (
                SCALE * height,
                SCALE * width,
            )


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_runs_in_the_precisions_that_are_declared_and_in_no_other(name, precision, monkeypatch):
    network = make(name)
    lq = images(16, 24)
    if precision in capabilities_of(network).precisions:
        with torch.no_grad():
            wanted, given = network(lq.clone()), to_inference_form(copy.deepcopy(network), precision=precision)(lq)
        differ = ~torch.isclose(given, wanted, atol=0.05, rtol=0.05)
        assert given.dtype == wanted.dtype and differ.float().mean() <= CHOOSING.get(name, 0)
        return
    with pytest.raises(ConfigError, match=f"cannot be run in {precision} .*use precision: fp32"):
        to_inference_form(copy.deepcopy(network), precision=precision)
    undeclared(network, monkeypatch)
    with pytest.raises(ConfigError, match=f"cannot be run in {precision} .*type"):
        to_inference_form(network, precision=precision)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_becomes_a_program_if_that_is_declared_and_only_then(name, tmp_path, monkeypatch):
    network = make(name)
    declared = capabilities_of(network)

    def export():
        return export_program(network, stem=tmp_path / "made", kind="torch", description={})

    if declared.exportable and (declared.takes_any_size or size_rule_of(network) == SizeRule()):
        assert export().largest_difference <= TOLERANCE
        return
    reason = "the sides of its images" if declared.exportable else "it is declared so"
    with pytest.raises(ConfigError, match=f"cannot become a program .*{reason}"):
        export()
    if not declared.exportable and not name.startswith("spandrel/"):  # of those, torch finds it out in minutes
        undeclared(network, monkeypatch)
        monkeypatch.setattr("segsr_arch.export.program._obstacle", lambda network: None)
        with pytest.raises(ConfigError, match="cannot become a program .*: [A-Za-z]+: "):
            export()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "Bicubic"])
def test_a_network_is_trained_and_a_step_changes_it(name):
    network = make(name).train()
    before = copy.deepcopy(network.state_dict())
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if name != "InferenceForm":
        network(images(16, 24, count=2)).abs().mean().backward()
        torch.optim.SGD(trained, lr=0.1).step()
        assert all(torch.isfinite(parameter).all() for parameter in trained)
        assert any(not torch.equal(value, before[key]) for key, value in network.state_dict().items())
    else:
        assert not trained


@pytest.mark.parametrize("name", NETWORKS)
def test_declared_units_are_modules_of_the_network(name):
    network = make(name)
    paths = entries(network)
    assert bool(paths) is bool(capabilities_of(network).units)
    assert all(isinstance(network.get_submodule(path), nn.Module) for path in paths)


def test_a_class_of_your_own_declares_and_another_of_a_known_name_does_not():
    class HAT(nn.Module):
        """Neither windows nor layers."""

    class Own(nn.Module):
        capabilities = Capabilities(size_multiple=8, smallest_side=20)

    assert capabilities_of(HAT()) == Capabilities()
    assert size_rule_of(Own()) == SizeRule(multiple=8, minimum=24)


def test_what_is_declared_is_the_same_for_networks_within_a_guide():
    swin = {"type": "SwinIR", **NETWORKS["SwinIR"]}
    guided = capabilities_of(make("SemanticSR", base=swin))
    assert guided.takes_any_size and guided.precisions == ("fp32",) and not guided.exportable


def test_images_are_padded_to_the_smallest_side():
    network = nn.Sequential(LargeKernel(), nn.Upsample(size=(66, 80)))
    network.capabilities = Capabilities(smallest_side=33)
    with torch.no_grad():
        assert super_resolve(network, images(5, 40), scale=2).shape == (1, 3, 10, 80)


@pytest.mark.parametrize(("rule", "sides"), [(SizeRule(), [1, 7]), (SizeRule(multiple=4, minimum=8), [8, 8])])
def test_padded_sides_keep_to_the_rule(rule, sides):
    assert [rule.padded(side) for side in (1, 7)] == sides
    assert all(rule.holds(side, side) for side in sides)
