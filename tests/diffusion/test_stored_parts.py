"""Stable Diffusion as diffusers writes it: read, refused where it is of another kind, and said how to be had."""

import json
import shutil
import socket

import pytest
import torch
from safetensors.torch import load_file, save_file

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.parts.model_kinds import STABLE_DIFFUSION
from segsr_arch.diffusion.parts.parts_source import check_parts, load_parts
from segsr_arch.diffusion.parts.text import token_ids
from segsr_arch.errors import CheckpointError, WeightsError
from tests.support import TINY_DIFFUSION


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of Stable Diffusion's parts, tiny and random, as diffusers and transformers save them."""
    import diffusers
    import transformers

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hub") / "tiny-diffusion"
    four = {"norm_num_groups": 8, "layers_per_block": 1}
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        **four,
    )
    unet = diffusers.UNet2DConditionModel(cross_attention_dim=16, **TINY_DIFFUSION["unet"])
    config = transformers.CLIPTextConfig(
        vocab_size=49408, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    vae.save_pretrained(folder / "vae")
    unet.save_pretrained(folder / "unet")
    transformers.CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    diffusers.PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(
        folder / "scheduler"
    )
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(written, tmp_path / "stable-diffusion")


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_folder_is_read_and_images_of_any_size_are_sampled_with_it(written):
    network = MSSD(
        scale=4, stable_diffusion=str(written), sampler={"steps": 1}, style="clean", correction="none"
    ).eval()
    autoencoder = network.unet.parts.autoencoder
    assert autoencoder.factor == 8 and network.size_multiple == 2
    assert network.unet.parts.identity.name == "tiny-diffusion"
    with torch.no_grad():
        assert network(torch.rand(1, 3, 5, 3)).shape == (1, 3, 20, 12)
        image = torch.rand(1, 3, 16, 16)
        expected = autoencoder.vae.encode(2 * image - 1).latent_dist.mode() * 0.18215
        torch.testing.assert_close(autoencoder.encode(image), expected)
    assert not any(name.startswith("unet.parts.") and "_extra" not in name for name in network.state_dict())
    assert not network.train().unet.parts.unet.training


def test_the_digest_is_of_the_weights(written, folder):
    from diffusers import UNet2DConditionModel

    first = load_parts(str(written), STABLE_DIFFUSION, trains_unet=False).identity
    assert load_parts(str(folder), STABLE_DIFFUSION, trains_unet=False).identity.digest == first.digest
    unet = UNet2DConditionModel.from_pretrained(folder / "unet")
    with torch.no_grad():
        unet.conv_in.bias[0] += 1
    unet.save_pretrained(folder / "unet")
    assert load_parts(str(folder), STABLE_DIFFUSION, trains_unet=False).identity.digest != first.digest
    assert load_parts(str(folder), STABLE_DIFFUSION, trains_unet=True).identity.digest != first.digest


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("unet", {"addition_embed_type": "text_time"}, "addition_embed_type: text_time is that of Stable Diffusion XL"),
        ("unet", {"in_channels": 9}, "in_channels is 9, but the autoencoder has 4 channels.*inpainting"),
        ("unet", {"cross_attention_dim": 768}, "reads texts of width 768, but its text encoder gives 16"),
        ("unet", {"class_embed_type": "timestep"}, "a model with classes"),
        ("text_encoder", {"vocab_size": 32000}, "has 32000 tokens, not the 49408 of CLIP"),
    ],
)
def test_a_model_of_another_kind_is_refused_before_its_weights_are_read(folder, name, changes, message):
    change(folder / name / "config.json", **changes)
    for weights in folder.rglob("*.safetensors"):
        weights.write_bytes(b"")
    with pytest.raises(WeightsError, match=message):
        check_parts(str(folder), STABLE_DIFFUSION)


def test_a_model_with_a_transformer_is_refused(tmp_path):
    (tmp_path / "transformer").mkdir()
    with pytest.raises(WeightsError, match="transformer instead of a UNet.*Stable Diffusion 1 or 2"):
        check_parts(str(tmp_path), STABLE_DIFFUSION)


def test_what_is_missing_or_damaged_in_a_folder_is_named(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    with pytest.raises(WeightsError, match=r"missing: unet/diffusion_pytorch_model\.safetensors.*hf download"):
        check_parts(str(folder), STABLE_DIFFUSION)
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=r"unet cannot be read"):
        load_parts(str(folder), STABLE_DIFFUSION, trains_unet=False)
    weights.write_bytes(content)
    save_file({name: value for name, value in load_file(weights).items() if name != "conv_in.bias"}, weights)
    with pytest.raises(WeightsError, match=r"do not belong to its config\.json: 1 missing, .* conv_in.bias"):
        load_parts(str(folder), STABLE_DIFFUSION, trains_unet=False)
    (folder / "scheduler" / "scheduler_config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"scheduler_config\.json cannot be read"):
        check_parts(str(folder), STABLE_DIFFUSION)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("./weights/sd", "there is no folder weights/sd .*hf download OWNER/NAME"),
        ("owner/model", "neither a folder here nor in the cache.*OSError: no network here.*hf download owner/model"),
    ],
)
def test_offline_it_says_how_to_get_the_weights(given, message, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise OSError("no network here")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=message):
        check_parts(given, STABLE_DIFFUSION)


def test_a_file_of_weights_is_told_how_to_become_a_folder(tmp_path):
    (tmp_path / "sd.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError, match="is a file.*from_single_file"):
        check_parts(str(tmp_path / "sd.safetensors"), STABLE_DIFFUSION)


def test_captions_are_clips_tokens_filled_up_and_cut_at_a_phrase(caplog):
    assert token_ids("a photo of a cat", length=10, padding=0) == [49406, 320, 1125, 539, 320, 2368, 49407, 0, 0, 0]
    ids = token_ids("roofs, " * 60, length=77, padding=49407)
    assert len(ids) == 77 and 49407 in ids[70:] and "left out" in caplog.text


def test_a_checkpoint_is_of_the_schedule_of_the_folder(folder):
    options = {"scale": 4, "stable_diffusion": str(folder)}
    state = MSSD(**options).state_dict()
    MSSD(**options).load_state_dict(state)
    change(folder / "scheduler/scheduler_config.json", prediction_type="v_prediction")
    for refusing in (
        lambda: MSSD(**options).load_state_dict(state),
        lambda: MSSD.check_checkpoint({"type": "MSSD", **options}, state, True),
    ):
        with pytest.raises(CheckpointError, match="prediction_type epsilon in the file, v_prediction here"):
            refusing()
