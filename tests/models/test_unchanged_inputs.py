"""A network may do what it likes with its input: whoever calls one keeps his tensors as they are."""

import pytest
import torch
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

import segsr_arch  # noqa: F401
from segsr_arch.evaluation.trained_network import TrainedNetwork
from segsr_arch.export.comparison import compare_networks
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.guiding.units import entries
from segsr_arch.inference.cost import measure_cost
from segsr_arch.inference.form import to_inference_form
from segsr_arch.inference.super_resolution import super_resolve
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.models.segsr_model import SeGSRModel
from tests import networks
from tests.networks import NETWORKS, SCALE
from tests.support import TINY_SEMANTICS

SIDE = 32
# What is no super-resolution of single images: parts of others, discriminators, faces, video, noise.
OTHERS = {
    "BasicVSR", "BasicVSRPlusPlus", "ConvEncoder", "DFDNet", "DUF", "EDVR", "IconVSR", "HiFaceGAN",
    "HiFaceGANDiscriminator", "RIDNet", "SPADEGenerator", "SpyNet", "StyleGAN2Discriminator", "StyleGAN2Generator",
    "TOFlow", "UNetDiscriminatorSN", "VGGFeatureExtractor", "VGGStyleDiscriminator",
}  # fmt: skip


class Scribbler(nn.Module):
    """Works in place on what it gets, from the first operation on."""

    def forward(self, lq):
        return nn.functional.interpolate(lq.mul_(255).add_(3), scale_factor=SCALE)


def make(name):
    return Scribbler().eval() if name == "Scribbler" else networks.make(name)


def model_of(network, cls, tile=None):
    """A model of BasicSR, as far as a test goes."""
    model = object.__new__(cls)
    model.opt, model.device, model.net_g, model.tile = {"scale": SCALE}, torch.device("cpu"), network, tile
    return model


def test_by_model(network, lq):
    for tile in (None, TileOptions(size=SIDE, overlap=0), TileOptions(size=16, overlap=4, batch=2)):
        model = model_of(network, SeGSRModel, tile)
        model.lq = lq
        model.test()
        assert model.lq is lq and model.output.shape[-1] == SCALE * SIDE


def test_trained(network, lq):
    for cls in (SeGSRModel, SRModel):
        trained = object.__new__(TrainedNetwork)
        trained.model, trained.network = model_of(network, cls), network
        trained.super_resolve({"lq": lq[0], "gt": torch.zeros(3, SCALE * SIDE, SCALE * SIDE), "lq_path": "a.png"})


def test_tiles(network, lq):
    with torch.no_grad():
        super_resolve(network, lq, scale=SCALE, tile=TileOptions(size=SIDE, overlap=0))


def test_comparison(network, lq):
    assert compare_networks(network, network, [{"lq": lq[0]}] * 2, crop=0).largest_difference == 0


CALLERS = {"model": test_by_model, "trained": test_trained, "tiles": test_tiles, "comparison": test_comparison}
for _caller in CALLERS.values():
    _caller.__test__ = False  # they are called below, for every network


@pytest.mark.parametrize("name", ["Scribbler", *NETWORKS])
def test_every_network_leaves_the_tensors_of_its_callers_alone(name):
    network = make(name)
    lq = torch.rand(1, 3, SIDE, SIDE)
    before = lq.clone()
    for caller, call in CALLERS.items():
        call(network, lq)
        assert torch.equal(lq, before), caller


@pytest.mark.parametrize("name", ["Scribbler", "spandrel/RCAN"])
def test_every_pass_that_is_measured_gets_the_same_image(name):
    network, seen = make(name), []
    network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    measure_cost(network, lr_size=(SIDE, SIDE), repeats=2)
    assert len(seen) == 5 and all(torch.equal(seen[0], each) for each in seen)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_guided_network_leaves_its_input_alone_and_guides_by_it(name):
    base = make(name)
    if isinstance(base, GuidedNetwork) or not entries(base):
        pytest.skip("has a guide already, or no units")
    network = GuidedNetwork(base=base, semantics=TINY_SEMANTICS).eval()
    lq = torch.rand(1, 3, SIDE, SIDE)
    before = lq.clone()
    with torch.no_grad():
        maps = network.guidance_maps(lq)
        first, second = network(lq), network(lq)
    assert torch.equal(lq, before) and torch.equal(first, second)
    assert torch.equal(network.guidance_maps(lq), maps)
    to_inference_form(network, precision="fp32")(lq)
    assert torch.equal(lq, before)


def test_stored_maps_are_those_of_the_image():
    """Whatever network was run on it before they are computed."""
    network = GuidedNetwork(base=make("spandrel/RCAN"), semantics=TINY_SEMANTICS).eval()
    trained = object.__new__(TrainedNetwork)
    trained.model, trained.network, trained.device = model_of(network, SRModel), network, torch.device("cpu")
    item = {"lq": torch.rand(3, SIDE, SIDE), "lq_path": "a.png"}
    expected = network.guide.view(item["lq"].unsqueeze(0)).maps[0].clamp(-1, 1).detach().numpy()
    trained.super_resolve(item)
    assert abs(trained.guidance(item) - expected).max() < 1e-3


def test_every_registered_network_is_in_one_of_the_lists():
    names = {name for name, network in ARCH_REGISTRY if _is_ours_or_basicsrs(network)}
    registered = {name.removesuffix("_basicsr").removesuffix("_segsr") for name in names}
    assert registered - OTHERS <= set(NETWORKS)


def _is_ours_or_basicsrs(network):
    return network.__module__.startswith(("basicsr.", "segsr_arch."))
