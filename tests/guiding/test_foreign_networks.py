"""Networks of others, which stack, call and return their units in their own ways."""

import threading
from typing import NamedTuple

import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.capabilities import FOREIGN, Capabilities
from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.guiding.units import candidates, select_units
from tests.guiding.bases import images
from tests.guiding.test_guided_network import shake
from tests.guiding.test_unit_kinds import SEMANTICS, Stack, guide


def conv(inputs=8, outputs=8):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


# Where the units are


class Closed(Stack):
    """The body ends with a convolution that is no block, as in the original EDSR and RCAN."""

    def __init__(self, blocks=8):
        super().__init__([*(nn.Sequential(conv()) for _ in range(blocks)), conv()])


def test_what_closes_the_body_is_no_unit(monkeypatch):
    monkeypatch.setitem(FOREIGN, "Closed", Capabilities(units=("blocks",)))
    assert select_units(Closed(), None) == [f"blocks.{i}" for i in range(8)]
    assert select_units(Closed(), 4) == ["blocks.1", "blocks.3", "blocks.5", "blocks.7"]
    with pytest.raises(ConfigError, match="units: must be from 1 to 8"):
        select_units(Closed(), 9)


def test_the_units_of_spandrels_rcan_are_its_groups():
    pytest.importorskip("spandrel", reason="pip install 'segsr-arch[zoo]'")
    base = {"type": "spandrel/RCAN", "n_resgroups": 4, "n_resblocks": 1, "n_feats": 8, "reduction": 2, "scale": 2}
    for units, places in ((None, [0, 1, 2, 3]), (2, [1, 3]), (4, [0, 1, 2, 3])):
        network = SemanticSR(base=base, semantics=SEMANTICS, units=units)
        assert network.unit_paths == [f"body.{place}" for place in places]
    assert network(images(7, 9)).shape == (1, 3, 14, 18)


class Attributes(Stack):
    """Blocks are attributes, not entries of a list."""

    def __init__(self):
        super().__init__()
        self.block_1, self.block_2, self.block_3 = (nn.Sequential(conv(), nn.ReLU(), conv()) for _ in range(3))
        del self.blocks

    def forward(self, x):
        x = self.block_3(self.block_2(self.block_1(self.head(x))))
        return F.pixel_shuffle(self.tail(x), 2)


def test_blocks_that_are_attributes_are_found():
    assert [str(stack) for stack in candidates(Attributes())] == ["block_1 ... block_3 (3 x Sequential)"]
    with pytest.raises(ConfigError, match=r"for instance units: \[block_1, block_2\]. Stacks found in it: block_1"):
        guide(Attributes(), 2)
    assert guide(Attributes(), ["block_1", "block_2"])(images(5, 6)).shape == (1, 3, 10, 12)


class Alias(Stack):
    """One stack under two names."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(*self.blocks)


def test_a_module_may_have_two_names(monkeypatch):
    assert guide(Alias(), ["body.0", "blocks.1"]).unit_paths == ["body.0", "blocks.1"]
    with pytest.raises(ConfigError, match=r"units: body.0 and blocks.0 are the same module; name it once"):
        guide(Alias(), ["body.0", "blocks.0"])
    monkeypatch.setitem(FOREIGN, "Alias", Capabilities(units=("body",)))
    assert guide(Alias(), 3).unit_paths == ["body.0", "body.1", "body.2"]


def test_a_module_that_is_run_several_times_is_no_unit(monkeypatch):
    block = conv()
    monkeypatch.setitem(FOREIGN, "Stack", Capabilities(units=("blocks",)))
    with pytest.raises(ConfigError, match=r"units: blocks.1 runs 3 times in one pass of Stack"):
        guide(Stack([block, block, block]), ["blocks.1"])
    with pytest.raises(ConfigError, match=r"units: blocks.0 runs 3 times in one pass of Stack"):
        guide(Stack([block, block, block]), None)


@pytest.mark.parametrize("units", [2.0, "blocks.0", [["blocks.0"]], [], {"blocks.0": 1}])
def test_units_of_a_wrong_kind_are_refused(units):
    with pytest.raises(ConfigError, match=r"units: (give a whole number of groups|the list of module paths must name)"):
        guide(Stack(), units)


class HAT(Stack):
    """Another network of a name in the table; it has ``layers``, and nothing else of it."""

    def __init__(self):
        super().__init__()
        self.layers = self.blocks


def test_another_network_of_a_known_name_needs_its_paths():
    with pytest.raises(ConfigError, match="units: no layout of units is declared for HAT"):
        guide(HAT(), 2)
    assert guide(HAT(), ["layers.0"]).unit_paths == ["layers.0"]


# What the units give


class Pair(NamedTuple):
    features: Tensor
    rest: Tensor


class Several(nn.Module):
    """Gives its features and more."""

    def __init__(self, kind):
        super().__init__()
        self.conv, self.kind = conv(), kind

    def forward(self, x):
        return self.kind(self.conv(x), x) if self.kind is Pair else self.kind([self.conv(x), x])


class Skipping(Stack):
    """Reads the second thing that a block gives as well."""

    def __init__(self, kind):
        super().__init__([Several(kind), Several(kind)])
        self.kinds = []

    def run(self, block, x):
        output = block(x)
        self.kinds.append(type(output))
        return output[0] + 0.5 * output[1]


@pytest.mark.parametrize("kind", [tuple, list, Pair])
def test_of_several_things_the_first_is_modulated(kind):
    network = shake(guide(Skipping(kind), ["blocks.0", "blocks.1"])).eval()
    lq = images(6, 9)
    with torch.no_grad():
        found = network(lq)
        signals = network.guide(lq)
        x = network.base.head(lq)
        for unit, block in enumerate(network.base.blocks):
            features = network.guide.modulate(unit, block.conv(x).permute(0, 2, 3, 1), signals)
            x = features.permute(0, 3, 1, 2) + 0.5 * x
        torch.testing.assert_close(found, F.pixel_shuffle(network.base.tail(x), 2))
    assert set(network.base.kinds) == {kind}


class Viewing(Stack):
    """Views what a block gives in another shape, which needs it in the usual order."""

    def run(self, block, x):
        x = block(x)
        return x.view(len(x) * 4, 2, *x.shape[2:]).view(x.shape)


@pytest.mark.parametrize("modules", ["sfem", "sfem+lmm", "sfem+slm+lmm"])
def test_a_network_may_view_what_a_unit_gives(modules):
    torch.manual_seed(0)
    network = guided_by(Viewing(), modules)
    assert network(images(8, 8, count=2)).shape == (2, 3, 16, 16)
    network.train()(images(7, 9)).mean().backward()


def guided_by(base, modules):
    semantics = {**SEMANTICS, "modules": modules}
    return shake(GuidedNetwork(base=base, semantics=semantics, units=["blocks.0", "blocks.1"]))


class Half(Stack):
    """Runs its blocks in half precision and insists on it."""

    def run(self, block, x):
        x = block(x.bfloat16())
        assert x.dtype == torch.bfloat16
        return x.float()


def test_a_unit_keeps_its_precision():
    for modules in ("sfem", "sfem+lmm", "sfem+slm+lmm"):
        network = guided_by(Half([conv().bfloat16() for _ in range(2)]), modules)
        assert network(images(6, 6)).dtype == torch.float32


# How the network is run


class Fixed(Stack):
    """Takes images of one size only."""

    def forward(self, x):
        if x.shape[2:] != (24, 24):
            raise ValueError("only 24 x 24")
        return super().forward(x)


def test_the_size_on_which_a_network_is_tried_can_be_declared(monkeypatch):
    with pytest.raises(ConfigError, match=r"base: Fixed cannot be run .*only 24 x 24.*Capabilities\(..., trial_size="):
        guide(Fixed(), ["blocks.0"])
    monkeypatch.setitem(FOREIGN, "Fixed", Capabilities(units=("blocks",), trial_size=(24, 24)))
    assert guide(Fixed(), 3)(images(24, 24)).shape == (1, 3, 48, 48)


def test_a_network_that_cannot_be_copied_is_refused_with_the_remedy():
    base = Stack([torch.nn.utils.weight_norm(conv()) for _ in range(2)])
    with pytest.raises(ConfigError, match="base: Stack cannot be copied .*torch.nn.utils.parametrizations"):
        guide(base, ["blocks.0"])
    parametrised = Stack([torch.nn.utils.parametrizations.weight_norm(conv()) for _ in range(2)])
    assert guide(parametrised, ["blocks.0"])(images(4, 4)).shape == (1, 3, 8, 8)


def test_two_threads_get_an_error_and_no_wrong_image():
    network = shake(guide(Stack(), ["blocks.0", "blocks.2"])).eval()
    lqs = [images(6, 6 + thread) for thread in range(4)]
    with torch.no_grad():
        expected = [network(lq) for lq in lqs]
    wrong, refused, right = [], [], []

    def work(lq, sr):
        for _ in range(50):
            try:
                with torch.no_grad():
                    found = network(lq)
            except ConfigError as error:
                refused.append(str(error))
            except Exception as error:
                wrong.append(error)
            else:
                (right if torch.allclose(found, sr, atol=1e-5) else wrong).append(found)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(lqs, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and right
    assert all("while it runs already, from another thread" in error for error in refused)
    with torch.no_grad():
        torch.testing.assert_close(network(lqs[0]), expected[0], msg="nothing is left behind")


def test_a_network_within_itself_is_refused_and_works_afterwards():
    base = Stack()
    network = shake(guide(base, ["blocks.0"])).eval()
    lq = images(5, 5)
    handle = base.blocks[1].register_forward_hook(lambda *_: network(lq))
    with pytest.raises(ConfigError, match="called while it runs already"):
        network(lq)
    handle.remove()
    assert network(lq).isfinite().all()


def test_maps_leave_the_modes_of_all_parts_alone():
    network = guide(Stack(), ["blocks.0"]).train()
    network.base.eval()
    network.guide.localization.eval()
    modes = {name: module.training for name, module in network.named_modules()}
    network.guidance_maps(images(4, 4))
    assert {name: module.training for name, module in network.named_modules()} == modes


class ResidualScale(Stack):
    """``scale`` is the weight of something, not the enlargement."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale


def test_a_fraction_called_scale_is_no_enlargement(monkeypatch):
    monkeypatch.setattr(ARCH_REGISTRY, "_obj_map", {**ARCH_REGISTRY._obj_map, "ResidualScale": ResidualScale})
    options = {"base": {"type": "ResidualScale", "scale": 0.1}, "units": ["blocks.0"], "semantics": SEMANTICS}
    SemanticSR.check_options({"type": "SemanticSR", **options})
    options["base"]["scale"] = 3
    with pytest.raises(ConfigError, match="base: scale: 3 makes ResidualScale enlarge x2"):
        SemanticSR.check_options({"type": "SemanticSR", **options})
