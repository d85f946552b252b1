import functools
import json
import sys

import pytest
import torch
from torch import nn

from segsr_arch.capabilities import Capabilities
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.trained_network import load_trained
from segsr_arch.scenes.network.networks import as_scene_model
from segsr_arch.scenes.network.scene_model import SceneModel
from segsr_arch.windows import Window
from tests import networks
from tests.evaluation.test_trained_network import write_test_options

WINDOWS = [Window(height=20, width=20)] * 2


def double(images):
    return images.repeat_interleave(2, -2).repeat_interleave(2, -1)


class Doubling(nn.Module):
    """Takes even sides alone, and says nothing of its scale."""

    capabilities = Capabilities(size_multiple=8)

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, images):
        assert not self.training and images.shape[-1] % 8 == images.shape[-2] % 8 == 0
        assert images.device == self.factor.device and not torch.is_grad_enabled()
        return double(images) * self.factor


@pytest.mark.parametrize(
    "model", [double, Doubling(), functools.partial(torch.nn.functional.interpolate, scale_factor=2)]
)
def test_callables_become_models_and_their_scale_is_found(model):
    scene_model = as_scene_model(model)
    assert isinstance(scene_model, SceneModel) and (scene_model.scale, scene_model.extra) == (2, 0)
    tiles = torch.rand(2, 3, 20, 20)
    assert torch.equal(scene_model(tiles, WINDOWS), double(tiles))
    assert as_scene_model(scene_model) is scene_model
    assert json.loads(json.dumps(scene_model.identity)) == scene_model.identity


@pytest.mark.parametrize("name", sorted(networks.NETWORKS))
def test_every_network_of_the_registry_takes_tiles_of_any_size(name):
    model = as_scene_model(networks.make(name), scale=None if name != "EDSR" else networks.SCALE)
    windows = [Window(height=9, width=13)]
    sr = model(torch.rand(1, 3, 9, 13), windows)
    assert (model.scale, sr.shape) == (networks.SCALE, (1, 3, 18, 26))


def test_networks_are_known_by_their_weights():
    one, same, other = (as_scene_model(Doubling(factor)).identity for factor in (1.0, 1.0, 2.0))
    assert one == same != other
    assert as_scene_model(Doubling(), identity={"version": 3}).identity == {"version": 3}


def test_functions_are_known_by_their_names():
    assert as_scene_model(double).identity == {"scale": 2, "name": f"{__name__}.double"}
    assert as_scene_model(functools.partial(double)).name == "double"
    assert "<lambda>" in as_scene_model(lambda images: images).identity["name"]


def test_a_network_without_a_declared_scale_has_that_of_a_trial():
    edsr = networks.make("EDSR")
    assert not hasattr(edsr, "scale") and as_scene_model(edsr).scale == networks.SCALE


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (3, "expected a callable .* got int"),
        (lambda images: images[:, :2], r"gives \(1, 2, 16, 17\) for a tile \(1, 3, 16, 17\)"),
        (lambda images: images.mean(), r"gives \(\) for a tile"),
        (nn.Conv2d(4, 3, 1), "Conv2d: fails on a tile .*4"),
        (lambda images: None, "fails on a tile"),
    ],
)
def test_what_is_no_model_is_refused_with_what_it_gives(model, message):
    with pytest.raises(ConfigError, match=message):
        as_scene_model(model)


def test_a_trained_network_gives_what_the_test_loop_gives_to_the_last_bit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained = load_trained(write_test_options(tmp_path))
    model = as_scene_model(trained)
    tiles = torch.rand(2, 3, 20, 20)
    for place in range(2):
        assert torch.equal(model(tiles[place : place + 1], WINDOWS[:1]), trained(tiles[place : place + 1]))
    torch.testing.assert_close(model(tiles, WINDOWS), trained(tiles))
    assert (
        model.name == "tiny"
        and model.identity["weights"] == as_scene_model(load_trained(tmp_path / "test.yml")).identity["weights"]
    )
    with torch.no_grad():
        next(trained.network.base.parameters()).fill_(float("nan"))
    with pytest.raises(DataError, match="in the tile of LR rows 0 to 19 and columns 0 to 19"):
        model(tiles, WINDOWS)


def descriptor(channels):
    spandrel = pytest.importorskip("spandrel")
    torch.manual_seed(0)
    from basicsr.archs.srvgg_arch import SRVGGNetCompact

    network = SRVGGNetCompact(num_in_ch=channels, num_out_ch=channels, num_feat=8, num_conv=2, upscale=2)
    return spandrel.ModelLoader().load_from_state_dict(network.state_dict())


@pytest.mark.parametrize("channels", [1, 3])
def test_models_of_spandrel_are_taken_as_they_are(channels):
    loaded = descriptor(channels)
    model = as_scene_model(loaded)
    assert model.scale == 2 and model.name == loaded.architecture.name
    tiles = torch.rand(2, 3, 20, 20)
    sr = model(tiles, WINDOWS)
    if channels == 3:
        assert torch.equal(sr[1:], loaded(tiles[1:].to(loaded.device)).cpu())
    else:
        assert torch.equal(sr[1:, 2:], loaded(tiles[1:, 2:].to(loaded.device)).cpu())


def test_models_of_spandrel_with_other_channels_are_refused():
    loaded = descriptor(3)
    loaded.input_channels = 4
    with pytest.raises(ConfigError, match="takes 4 channels, gives 3"):
        as_scene_model(loaded)


def test_spandrel_is_not_imported_to_find_out(monkeypatch):
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    as_scene_model(double)
    assert "spandrel" not in sys.modules
