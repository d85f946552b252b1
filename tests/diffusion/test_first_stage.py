"""The first stage of a network in two: any network, frozen, with a checkpoint of its own."""

import pytest
import torch
from basicsr.archs import build_network

from segsr_arch.diffusion.first_stage import FirstStage, check_first_stage
from segsr_arch.errors import CheckpointError, ConfigError
from tests.networks import NETWORKS, SCALE
from tests.support import TINY_PIXEL_DIFFUSION

PIXELS = {"type": "PixelDiffusion", "scale": SCALE, **TINY_PIXEL_DIFFUSION}
EDSR = {"type": "EDSR", **NETWORKS["EDSR"]}


@pytest.fixture
def images():
    return torch.rand(2, 3, 7, 6, generator=torch.Generator().manual_seed(0))


def saved(options, path, entry="params_ema"):
    """Train a network by a made-up step, and save it as a training does."""
    torch.manual_seed(1)
    network = build_network(dict(options)).eval()
    torch.save({"params": build_network(dict(options)).state_dict(), entry: network.state_dict()}, path)
    return network


@pytest.mark.parametrize("options", [PIXELS, EDSR], ids=["PixelDiffusion", "EDSR"])
def test_it_is_the_network_of_its_checkpoint_and_clips_its_images(options, tmp_path, images):
    network, path = saved(options, tmp_path / "stage.pth"), str(tmp_path / "stage.pth")
    stage = FirstStage({**options, "path": path}, scale=SCALE)
    with torch.no_grad():
        expected = network(images, seed=5) if options is PIXELS else network(images)
    torch.testing.assert_close(stage(images, seed=5), expected.clamp(0, 1))
    assert stage.identity.source == "stage.pth" and not stage.identity.is_random
    check_first_stage({**options, "path": path}, scale=SCALE)
    assert stage.train().network.training is False and not any(p.requires_grad for p in stage.parameters())
    assert not stage(images.requires_grad_(), seed=0).requires_grad


def test_a_network_with_windows_gets_whole_ones(images):
    stage = FirstStage({"type": "HAT", **NETWORKS["HAT"]}, scale=SCALE)
    assert stage(images, seed=0).shape == (2, 3, 14, 12)


def test_bicubic_interpolation_needs_no_weights(images, caplog):
    stage = FirstStage("bicubic", scale=SCALE)
    assert stage(images, seed=0).shape == (2, 3, 14, 12) and stage.identity.source == "none"
    assert "RANDOM" not in caplog.text and not stage.state_dict()


@pytest.mark.parametrize("options", [PIXELS, {"type": "SeGSR", **NETWORKS["SeGSR"]}], ids=["PixelDiffusion", "SeGSR"])
def test_random_weights_are_said_and_are_the_same_each_time(options, caplog, images):
    torch.manual_seed(3)
    one = FirstStage(options, scale=SCALE)
    assert f"base: {options['type']} has no path: its weights are RANDOM" in caplog.text
    torch.manual_seed(4)
    other = FirstStage(options, scale=SCALE)
    assert one.identity == other.identity and one.identity.is_random
    assert torch.equal(one(images, seed=0), other(images, seed=0))


def test_its_weights_are_in_no_checkpoint_and_another_network_is_not_taken_for_it(tmp_path):
    saved(EDSR, tmp_path / "stage.pth")
    stage = FirstStage({**EDSR, "path": str(tmp_path / "stage.pth")}, scale=SCALE)
    assert not stage.state_dict() and not stage.load_state_dict({}).missing_keys
    other = FirstStage(EDSR, scale=SCALE)
    with pytest.raises(CheckpointError, match=r"trained with the first stage EDSR with weights stage.pth .* this "):
        other.take_identity(stage.identity)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lanczos", "network_g: base: must be bicubic, or a mapping .* got 'lanczos'"),
        ({"type": "PixelDifusion"}, "network_g: base: type: 'PixelDifusion' is not registered; did you mean Pixel"),
        ({**EDSR, "upscale": 3}, "network_g: base: upscale: EDSR enlarges x3, but scale is 2; they must be equal"),
        ({"type": "EDSR", "num_in_ch": 3, "num_out_ch": 3}, "base: upscale: EDSR enlarges x4, but scale is 2"),
        ({**EDSR, "num_fet": 3}, "base: EDSR cannot be built .*num_fet"),
        ({**PIXELS, "block": 3}, "network_g: block: must be a power of two"),
        ({**EDSR, "path": 3}, "network_g: base: path: must be the path of a checkpoint, got 3"),
        ({**EDSR, "path": "gone.pth"}, r"base: path: there is no file gone.pth \(seen from .*Train the first stage"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_built_and_then_too(given, message):
    for build in (check_first_stage, FirstStage):
        with pytest.raises(ConfigError, match=message):
            build(given, scale=SCALE)


@pytest.mark.parametrize("options", [PIXELS, EDSR], ids=["PixelDiffusion", "EDSR"])
def test_a_checkpoint_of_another_network_is_named(options, tmp_path):
    path = tmp_path / "stage.pth"
    saved({**options, **({"base": "none"} if options is PIXELS else {"num_feat": 12})}, path)
    for build in (check_first_stage, FirstStage):
        with pytest.raises(CheckpointError, match="network_g: base: path: .*stage.pth"):
            build({**options, "path": str(path)}, scale=SCALE)
    path.write_bytes(b"none")
    with pytest.raises(CheckpointError, match="network_g: base: path: .*stage.pth"):
        check_first_stage({**options, "path": str(path)}, scale=SCALE)
