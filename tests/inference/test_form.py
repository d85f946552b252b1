"""The form for inference computes what the trained network does, holds everything, and cannot be trained."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from segsr_arch.archs.hat.network import HATNetwork
from segsr_arch.archs.segsr_arch import SeGSR
from segsr_arch.errors import CheckpointError, ConfigError
from segsr_arch.export.inference_arch import InferenceForm
from segsr_arch.inference.form import to_inference_form
from tests.guiding.bases import BASES, build, images
from tests.guiding.test_guided_network import shake
from tests.support import TINY_HAT, TINY_SEMANTICS

NETWORK = {"type": "SeGSR", "upscale": 2, "semantics": copy.deepcopy(TINY_SEMANTICS), "drop_path_rate": 0.0, **TINY_HAT}


def segsr(**changes):
    options = {key: value for key, value in copy.deepcopy(NETWORK).items() if key != "type"}
    return shake(SeGSR(**options | changes)).eval()


@pytest.mark.parametrize("name", BASES)
def test_in_float32_nothing_changes_and_nothing_can_be_trained(name):
    network = shake(build(name)).eval()
    converted = to_inference_form(copy.deepcopy(network), precision="fp32")
    lq = images(13, 18, count=2)
    with torch.no_grad():
        torch.testing.assert_close(converted(lq), network(lq), atol=2e-5, rtol=1e-5)
    assert not converted.training and not any(p.requires_grad for p in converted.parameters())
    assert any("lora" in key for key in network.state_dict())
    assert not any("lora" in key for key in converted.state_dict())
    assert "guide.feature_extraction.visual.conv1.weight" in converted.state_dict()
    assert "guide.feature_extraction.visual.conv1.weight" not in network.state_dict()


@pytest.mark.parametrize("name", ["MSRResNet", "EDSR", "RRDBNet", "RCAN", "HAT"])
def test_in_bfloat16_the_ends_and_the_norms_stay_in_float32(name):
    network = shake(build(name)).eval()
    converted = to_inference_form(copy.deepcopy(network), precision="bf16")
    lq = images(13, 18)
    with torch.no_grad():
        given, wanted = converted(lq), network(lq)
    assert given.dtype == torch.float32
    error = (given - wanted).square().mean().sqrt()
    assert 0 < error < 0.02 * wanted.std(), "rounded, and no more than that"
    kept = [module for module in converted.modules() if isinstance(module, (nn.Conv2d, nn.LayerNorm))]
    kept = [module for module in kept if module.weight.dtype == torch.float32]
    convolutions = [module for module in kept if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 2 and {converted.base.conv_first, converted.base.conv_last} == set(convolutions)
    norms = [module for module in converted.modules() if isinstance(module, nn.LayerNorm)]
    assert norms and all(norm in kept for norm in norms)
    assert converted.guide.feature_extraction.visual.conv1.weight.dtype == torch.bfloat16


def test_bfloat16_is_nearer_than_that_of_autocast():
    network = segsr()
    converted = to_inference_form(copy.deepcopy(network), precision="bf16")
    lq = images(24, 24)
    with torch.no_grad():
        wanted = network(lq)
        error = (converted(lq) - wanted).square().mean()
        with torch.autocast("cpu", torch.bfloat16):
            assert error < (network(lq).float() - wanted).square().mean()


def test_a_network_that_cannot_be_run_in_bfloat16_is_refused_with_the_remedy():
    with pytest.raises(ConfigError, match=r"SemanticSR cannot be run in bf16 .*; use precision: fp32"):
        to_inference_form(build("SwinIR"), precision="bf16")


def test_an_unknown_precision_is_refused():
    with pytest.raises(ConfigError, match="precision: 'int8' is not known; use fp32, bf16, fp16"):
        to_inference_form(build("EDSR"), precision="int8")


def test_it_works_without_a_guide():
    network = HATNetwork(upscale=2, **TINY_HAT).eval()
    converted = to_inference_form(copy.deepcopy(network), precision="fp32")
    lq = images(20, 12)
    with torch.no_grad():
        torch.testing.assert_close(converted(lq), network(lq))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_is_saved_is_what_is_loaded_and_biases_follow_the_file(precision):
    saved = to_inference_form(segsr(), precision=precision)
    content = io.BytesIO()
    torch.save(saved.state_dict(), content)
    content.seek(0)
    state = torch.load(content, weights_only=True)
    seed = {**TINY_SEMANTICS, "random_seed": 7}  # other weights of the vision-language model, which the file replaces
    restored = InferenceForm(network={**NETWORK, "semantics": seed}, precision=precision)
    lq = images(17, 19)
    with torch.no_grad():
        wanted = saved(lq)
        assert not torch.allclose(restored(lq), wanted)
        restored.load_state_dict(state)
        assert torch.equal(restored(lq), wanted)
    assert str(restored.guide.feature_extraction.identity) == str(saved.guide.feature_extraction.identity)
    assert "random(0)" in str(restored.guide.feature_extraction.identity)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_copies_compute_the_same(copied):
    network = to_inference_form(segsr(), precision="bf16")
    lq = images(16, 16)
    with torch.no_grad():
        assert torch.equal(copied(network)(lq), network(lq))


def test_checkpoints_of_one_form_are_refused_by_the_other():
    trained, converted = segsr(), to_inference_form(segsr(), precision="bf16")
    with pytest.raises(CheckpointError, match=r"form for training, .* in that for inference, bf16. segsr export"):
        converted.load_state_dict(trained.state_dict())
    with pytest.raises(CheckpointError, match=r"in the form for inference, bf16, .* in that for training"):
        trained.load_state_dict(converted.state_dict(), strict=False)
    with pytest.raises(CheckpointError, match=r"inference, bf16, .* inference, fp32"):
        InferenceForm(network=NETWORK, precision="fp32").load_state_dict(converted.state_dict())


def test_weights_of_the_vision_language_model_are_not_to_be_named_again():
    semantics = {**TINY_SEMANTICS, "pretrained": "openai"}
    with pytest.raises(ConfigError, match="network: semantics: pretrained: leave it empty"):
        InferenceForm(network={**NETWORK, "semantics": semantics})


def test_nobody_is_warned_of_random_weights_that_the_file_replaces(caplog):
    InferenceForm(network=NETWORK)
    assert not [record for record in caplog.records if "RANDOM" in record.getMessage()]
