"""A network may do what it likes with its input: whoever calls one keeps his tensors as they are."""

import importlib.util

import pytest
import torch
from basicsr.archs import build_network
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

import segsr_arch  # noqa: F401
from segsr_arch.evaluation.trained_network import TrainedNetwork
from segsr_arch.export.comparison import compare_networks
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.guiding.unit_layouts import find_layout
from segsr_arch.inference.cost import measure_cost
from segsr_arch.inference.form import to_inference_form
from segsr_arch.inference.tiles import TileOptions, super_resolve_tiled
from segsr_arch.models.segsr_model import SeGSRModel
from segsr_arch.zoo import spandrel_networks
from segsr_arch.zoo.named_networks import build_base
from tests.support import TINY_HAT, TINY_SEMANTICS

SIDE, SCALE = 32, 2
_RGB = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8}
_SWIN = {"embed_dim": 12, "depths": [1, 1], "num_heads": [2, 2], "window_size": 8, "upsampler": "pixelshuffle"}
NETWORKS = {
    "Bicubic": {"upscale": SCALE},
    "ECBSR": {"num_in_ch": 3, "num_out_ch": 3, "num_block": 1, "num_channel": 8, "with_idt": False, "act_type": "relu",
              "scale": SCALE},
    "EDSR": {**_RGB, "num_block": 2, "upscale": SCALE},
    "HAT": {**TINY_HAT, "upscale": SCALE},
    "InferenceForm": {"precision": "fp32", "network": {"type": "EDSR", **_RGB, "num_block": 2, "upscale": SCALE}},
    "MSRResNet": {**_RGB, "num_block": 2, "upscale": SCALE},
    "RCAN": {**_RGB, "num_group": 2, "num_block": 1, "squeeze_factor": 2, "upscale": SCALE},
    "RRDBNet": {**_RGB, "num_block": 2, "num_grow_ch": 4, "scale": SCALE},
    "SRVGGNetCompact": {**_RGB, "num_conv": 2, "upscale": SCALE},
    "SeGSR": {**TINY_HAT, "upscale": SCALE, "semantics": TINY_SEMANTICS},
    "SemanticSR": {"base": {"type": "EDSR", **_RGB, "num_block": 2, "upscale": SCALE}, "semantics": TINY_SEMANTICS},
    "SwinIR": {**_SWIN, "mlp_ratio": 2, "upscale": SCALE},
    "spandrel/DAT": {"embed_dim": 32, "depth": [1, 1], "num_heads": [2, 2], "split_size": [8, 8], "upscale": SCALE},
    "spandrel/HAT": {**_SWIN, "squeeze_factor": 6, "upscale": SCALE},
    "spandrel/RCAN": {"n_resgroups": 2, "n_resblocks": 1, "n_feats": 8, "reduction": 2, "scale": SCALE},
    "spandrel/SRFormer": {**_SWIN, "upscale": SCALE},
    "spandrel/SwinIR": {**_SWIN, "upscale": SCALE},
}  # fmt: skip
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
    package = "spandrel_extra_arches" if name == "spandrel/SRFormer" else "spandrel"
    if name.startswith(spandrel_networks.PREFIX) and importlib.util.find_spec(package) is None:
        pytest.skip(f"{name} needs {package}: pip install 'segsr-arch[zoo]'")
    torch.manual_seed(0)
    if name == "Scribbler":
        return Scribbler().eval()
    build = build_base if name.startswith(spandrel_networks.PREFIX) else build_network
    return build({"type": name, **NETWORKS[name]}).eval()


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
        super_resolve_tiled(network, lq, scale=SCALE, options=TileOptions(size=SIDE, overlap=0))


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
def test_every_timed_pass_gets_the_same_image(name):
    network, seen = make(name), []
    network.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].clone()))
    measure_cost(network, lr_size=(SIDE, SIDE), repeats=2)
    assert len(seen) == 4 and all(torch.equal(seen[0], each) for each in seen)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_guided_network_leaves_its_input_alone_and_guides_by_it(name):
    base = make(name)
    if isinstance(base, GuidedNetwork) or find_layout(base) is None:
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
