"""Units of every kind: other resolutions, padded tokens, recomputed parts, and what cannot be a unit."""

import copy

import numpy as np
import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from segsr_arch.archs.semantic_sr_arch import SemanticSR
from segsr_arch.capabilities import FOREIGN, Capabilities
from segsr_arch.errors import ConfigError
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.guiding.units import entries
from tests.guiding.bases import base_options, build, images
from tests.guiding.test_guided_network import shake
from tests.support import TINY_SEMANTICS, TINY_VLM

pytest.importorskip("spandrel", reason="pip install 'segsr-arch[zoo]'")

SEMANTICS = {**TINY_SEMANTICS, "lora_dropout": 0.0}
PATCH = TINY_VLM["vision_cfg"]["patch_size"]


class Stack(nn.Module):
    """A chain of blocks between two convolutions, x2; ``run`` says how a block is run."""

    def __init__(self, blocks=None):
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList(blocks or [nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)])
        self.tail = nn.Conv2d(8, 12, 3, padding=1)

    def run(self, block, x):
        return block(x)

    def forward(self, x):
        x = self.head(x)
        for block in self.blocks:
            x = self.run(block, x)
        return F.pixel_shuffle(self.tail(x), 2)


def guide(base, units):
    torch.manual_seed(0)
    return GuidedNetwork(base=base, semantics=SEMANTICS, units=units)


def maps_given(network, lq):
    """Maps (B, 1, height, width) that each unit's modulation gets in a forward pass."""
    given = {}
    for unit, modulation in enumerate(network.guide.modulation):
        modulation.register_forward_pre_hook(lambda _, inputs, unit=unit: given.__setitem__(unit, inputs[1].detach()))
    with torch.no_grad():
        network(lq)
    return [given[unit] for unit in range(len(network.unit_paths))]


def looked_up(patches, size, stride, scale):
    """Values (height, width) of a map on patches at the centres of cells that are ``stride`` LR pixels wide."""
    rows, columns = (((np.arange(side) + 0.5) * stride * scale / PATCH - 0.5) for side in size)
    along = np.stack([np.interp(columns, np.arange(patches.shape[1]), row) for row in patches])
    return np.stack([np.interp(rows, np.arange(patches.shape[0]), column) for column in along.T], axis=1)


def check_maps(network, lq, strides, sizes):
    """Each unit gets its own map, by its place in the image, whatever its resolution."""
    assert [output.stride for output in network.unit_outputs] == strides
    with torch.no_grad():
        patches = network.guide.view(lq).maps
    given = maps_given(network, lq)
    assert [tuple(given_map.shape[2:]) for given_map in given] == sizes
    for unit, (given_map, stride, size) in enumerate(zip(given, strides, sizes, strict=True)):
        for image in range(len(lq)):
            expected = looked_up(patches[image, unit].double().numpy(), size, stride, network.upscale)
            np.testing.assert_allclose(given_map[image, 0].numpy(), expected, atol=1e-5)
    assert (given[0] - given[0].mean()).abs().max() > 1e-3, "the maps say something"


class UNet(nn.Module):
    """Encoders at 1 and 1/2, a middle at 1/4, decoders at 1/2 and 1, x2; it takes multiples of four."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 4, 3, padding=1)
        self.encoders = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)])
        self.downs = nn.ModuleList([nn.Conv2d(4, 6, 2, 2), nn.Conv2d(6, 8, 2, 2)])
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.ups = nn.ModuleList([nn.ConvTranspose2d(8, 6, 2, 2), nn.ConvTranspose2d(6, 4, 2, 2)])
        self.decoders = nn.ModuleList([nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)])
        self.tail = nn.Conv2d(4, 12, 3, padding=1)

    def forward(self, x):
        x, skips = self.head(x), []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for decoder, up in zip(self.decoders, self.ups, strict=True):
            x = decoder(up(x) + skips.pop())
        return F.pixel_shuffle(self.tail(x), 2)


@pytest.fixture
def unet_layout(monkeypatch):
    layout = Capabilities(units=("encoders", "middle", "decoders"), size_multiple=4)
    monkeypatch.setitem(FOREIGN, "UNet", layout)


def test_units_of_a_u_shaped_network_get_maps_of_their_own_size(unet_layout):
    network = shake(guide(UNet(), None)).eval()
    assert network.unit_paths == ["encoders.0", "encoders.1", "middle", "decoders.0", "decoders.1"]
    assert [output.channels for output in network.unit_outputs] == [4, 6, 8, 6, 4]
    lq = images(22, 37, count=2)
    sizes = [(24, 40), (12, 20), (6, 10), (12, 20), (24, 40)]
    check_maps(network, lq, [1, 2, 4, 2, 1], sizes)
    assert network(lq).shape == (2, 3, 44, 74)
    assert network(images(1, 1)).shape == (1, 3, 2, 2)


def test_groups_follow_the_running_order_of_the_containers(unet_layout):
    assert guide(UNet(), 3).unit_paths == ["encoders.1", "middle", "decoders.1"]


def test_a_container_may_be_one_entry_as_a_whole(monkeypatch):
    """The layout of HAUNet, whose middle is two stacks, each a unit."""
    base = UNet()
    base.middle = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
    layout = Capabilities(units=("encoders", "middle", "decoders"), whole=("middle",), size_multiple=4)
    monkeypatch.setitem(FOREIGN, "UNet", layout)
    network = guide(base, 5)
    assert network.unit_paths == ["encoders.0", "encoders.1", "middle", "decoders.0", "decoders.1"]
    check_maps(shake(network).eval(), images(8, 12), [1, 2, 4, 2, 1], [(8, 12), (4, 6), (2, 3), (4, 6), (8, 12)])


def test_a_grid_of_unshuffled_pixels(unet_layout):
    network = shake(build("RRDBNet")).eval()
    lq = images(11, 26)
    check_maps(network, lq, [2, 2], [(6, 13), (6, 13)])
    assert network(lq).shape == (1, 3, 22, 52)


@pytest.mark.parametrize(("name", "window", "grid"), [("HAT", 8, (24, 16)), ("SwinIR", 7, (21, 14))])
def test_padded_tokens_get_the_map_of_their_place_in_the_image(name, window, grid):
    options = {**base_options(name), "type": f"spandrel/{name}", "window_size": window}
    torch.manual_seed(0)
    network = shake(SemanticSR(base=options, semantics=SEMANTICS, units=2)).eval()
    assert [output.format for output in network.unit_outputs] == ["tokens", "tokens"]
    lq = images(20, 11)
    check_maps(network, lq, [1, 1], [grid, grid])
    assert network(lq).shape == (1, 3, 40, 22)


class TokenBlock(nn.Module):
    """Features as tokens (B, HW, F)."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x, grid=None):
        return self.linear(x)


class Tokens(Stack):
    """Blocks on tokens that are, or are not, told their grid."""

    def __init__(self, told):
        super().__init__([TokenBlock(), TokenBlock()])
        self.told = told

    def run(self, block, x):
        grid, x = x.shape[2:], x.flatten(2).transpose(1, 2)
        x = block(x, grid=tuple(grid)) if self.told else block(x)
        return x.transpose(1, 2).unflatten(2, grid)


def test_tokens_must_be_told_their_grid():
    network = shake(guide(Tokens(told=True), ["blocks.0", "blocks.1"])).eval()
    check_maps(network, images(9, 16), [1, 1], [(9, 16), (9, 16)])
    with pytest.raises(ConfigError, match="units: blocks.0 gives tokens .* but is not told their height and width"):
        guide(Tokens(told=False), ["blocks.0"])


class Names(nn.Module):
    """Gives its features by name."""

    def forward(self, x):
        return {"features": x}


class Naming(Stack):
    """Has a module whose result is no tensor."""

    def __init__(self):
        super().__init__()
        self.names = Names()

    def forward(self, x):
        return super().forward(self.names(x)["features"])


class Twice(Stack):
    """Every block runs twice."""

    def run(self, block, x):
        return block(block(x))


class Looking(Stack):
    """Decides by the values of the image."""

    def forward(self, x):
        return super().forward(2 * x if x.mean() > 0.5 else x)


class Broken(Stack):
    """Cannot be run."""

    def forward(self, x):
        raise TypeError("a block needs the size of the image")


@pytest.fixture
def registered(monkeypatch):
    names = {"Looking": Looking, "Broken": Broken}
    monkeypatch.setattr(ARCH_REGISTRY, "_obj_map", {**ARCH_REGISTRY._obj_map, **names})


def test_a_network_that_looks_at_values_is_run_with_them(registered):
    options = {"base": {"type": "Looking"}, "units": ["blocks.0"], "semantics": SEMANTICS}
    SemanticSR.check_options({"type": "SemanticSR", **options})
    network = SemanticSR(**options).eval()
    assert network.upscale == 2 and network(images(8, 8)).shape == (1, 3, 16, 16)


def test_a_network_that_cannot_be_run_is_refused(registered):
    options = {"base": {"type": "Broken"}, "units": ["blocks.0"], "semantics": SEMANTICS}
    what = r"base: Broken cannot be run on an image \(1, 3, 96, 160\) \(on cpu: TypeError: a block needs the size"
    with pytest.raises(ConfigError, match=what):
        SemanticSR.check_options({"type": "SemanticSR", **options})
    with pytest.raises(ConfigError, match=what):
        SemanticSR(**options)


class Wrong(Stack):
    """Does not enlarge."""

    def forward(self, x):
        return super().forward(x)[..., :-1]


def test_what_cannot_be_a_unit_is_refused_by_name():
    with pytest.raises(ConfigError, match="units: names gives a dict instead of a tensor; end the unit at"):
        guide(Naming(), ["names"])
    with pytest.raises(ConfigError, match="units: blocks.2 runs 2 times in one pass of Twice; a unit must run once"):
        guide(Twice(), ["blocks.2"])
    with pytest.raises(ConfigError, match="units: blocks runs 0 times .* name one of its entries"):
        guide(Stack(), ["blocks"])
    with pytest.raises(ConfigError, match="units: 'block.1' is no module of Stack; near: blocks.1"):
        guide(Stack(), ["block.1"])
    with pytest.raises(ConfigError, match="base: Wrong turns .* no enlargement by a whole number"):
        guide(Wrong(), ["blocks.0"])


@pytest.mark.parametrize("units", [2, None])
def test_a_network_without_a_layout_lists_its_stacks(units):
    with pytest.raises(ConfigError) as caught:
        guide(Stack(), units)
    assert "no layout of units is declared for Stack" in str(caught.value)
    assert "units: [blocks.0, blocks.1]. Stacks found in it: blocks (3 x Conv2d)." in str(caught.value)
    assert guide(Stack(), ["blocks.0", "blocks.1"]).unit_paths == ["blocks.0", "blocks.1"]


class NormalisedStack(Stack):
    """Blocks with statistics of their own."""

    def __init__(self):
        super().__init__([nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)) for _ in range(2)])


def test_units_that_a_class_declares_and_lacks_are_named():
    class Misspelt(nn.Module):
        capabilities = Capabilities(units=("bodies",))

    with pytest.raises(ConfigError, match="Misspelt: its capabilities declare units in bodies, and it has no such"):
        entries(Misspelt())


@pytest.mark.parametrize("training", [True, False])
def test_guiding_changes_neither_the_state_nor_the_mode_of_a_base(training):
    base = NormalisedStack().train(training)
    before = copy.deepcopy(base.state_dict())
    network = guide(base, ["blocks.0", "blocks.1"])
    assert network.base is base and {module.training for module in base.modules()} == {training}
    for name, value in base.state_dict().items():
        assert torch.equal(value, before[name]), name
    lq = images(8, 8, count=2)
    network.eval()(lq)
    assert torch.equal(base.blocks[0][1].running_mean, before["blocks.0.1.running_mean"])
    network.train()(lq)
    assert not torch.equal(base.blocks[0][1].running_mean, before["blocks.0.1.running_mean"])


# Gradient checkpointing


class Recomputed(Stack):
    """Checkpoints each block, and no attribute says so."""

    reentrant = False

    def run(self, block, x):
        return checkpoint(block, x, use_reentrant=self.reentrant)


def gradients(network):
    network.train()(images(8, 8)).square().mean().backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_unit_within_a_recomputed_part_fails_in_the_backward_pass(reentrant):
    base = Recomputed([nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()) for _ in range(2)])
    base.reentrant = reentrant
    network = shake(guide(base, ["blocks.0.0", "blocks.1"]))
    with pytest.raises(ConfigError, match="gradient checkpointing computes again in the backward pass"):
        gradients(network)
    with torch.no_grad():
        assert network(images(8, 8)).isfinite().all(), "without a backward pass nothing is computed again"


def spandrels_swinir(use_checkpoint, units=2):
    options = {**base_options("SwinIR"), "type": "spandrel/SwinIR", "use_checkpoint": use_checkpoint}
    torch.manual_seed(0)
    return shake(SemanticSR(base=options, semantics=SEMANTICS, units=units))


def hat(use_checkpoint, units=2):
    torch.manual_seed(0)
    options = {**base_options("HAT"), "use_checkpoint": use_checkpoint}
    return shake(SemanticSR(base=options, semantics=SEMANTICS, units=units))


@pytest.mark.parametrize("make", [spandrels_swinir, hat])
def test_checkpointing_between_the_units_changes_nothing(make):
    expected, found = (gradients(make(use_checkpoint)) for use_checkpoint in (False, True))
    assert expected.keys() == found.keys() and len(found) > 50
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("make", "above"), [(spandrels_swinir, "layers.1.residual_group"), (hat, "layers.1")])
def test_a_unit_within_what_use_checkpoint_recomputes_is_refused_at_once(make, above):
    path = "layers.1.residual_group.blocks.0"
    with pytest.raises(ConfigError, match=f"units: {path} lies within {above}, which gradient checkpointing"):
        make(True, units=[path])
    assert make(False, units=[path]).unit_paths == [path]
