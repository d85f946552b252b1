"""Stable Diffusion XL as diffusers writes it: both text encoders, and told apart from other models."""

import json
import shutil

import pytest
import torch

from segsr_arch.archs.vldm_arch import VLDM
from segsr_arch.diffusion.parts.model_kinds import STABLE_DIFFUSION, STABLE_DIFFUSION_XL
from segsr_arch.diffusion.parts.parts_source import check_parts, load_parts
from segsr_arch.diffusion.steering.steered_unet import SteeredUNet
from segsr_arch.errors import ConfigError, WeightsError
from tests.support import TINY_DIFFUSION, TINY_DIFFUSION_XL


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder of the parts of Stable Diffusion XL, tiny and random, as diffusers and transformers save them."""
    import diffusers
    import transformers

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("hub") / "tiny-xl"
    config = {"vocab_size": 49408, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    first, second = (transformers.CLIPTextConfig(hidden_size=w, projection_dim=20, **config) for w in (16, 24))
    unet = diffusers.UNet2DConditionModel(
        cross_attention_dim=40,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=20 + 6 * 8,
        **TINY_DIFFUSION["unet"],
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        layers_per_block=1,
        scaling_factor=0.13025,
    )
    vae.save_pretrained(folder / "vae")
    unet.save_pretrained(folder / "unet")
    transformers.CLIPTextModel(first).save_pretrained(folder / "text_encoder")
    transformers.CLIPTextModelWithProjection(second).save_pretrained(folder / "text_encoder_2")
    diffusers.EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading"
    ).save_pretrained(folder / "scheduler")
    return folder


@pytest.fixture
def folder(written, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(written, tmp_path / "stable-diffusion-xl")


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_all_parts_of_a_folder_are_read_and_latents_have_the_scale_of_its_autoencoder(written):
    parts = load_parts(str(written), STABLE_DIFFUSION_XL, trains_unet=False)
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        mode = parts.autoencoder.vae.encode(2 * image - 1).latent_dist.mode()
        torch.testing.assert_close(parts.autoencoder.encode(image), 0.13025 * mode)
        words = parts.text(["roofs"])
    assert words.tokens.shape == (1, 77, 40) and words.pooled.shape == (1, 20)
    stored = {name.split(".")[2] for name, _ in parts.named_parameters() if name.startswith("models.text")}
    assert stored == {"encoder", "encoder_2"}
    assert not any(parameter.requires_grad for parameter in parts.parameters())


@pytest.mark.parametrize(("said", "is_zero"), [(None, True), (True, True), (False, False)])
def test_what_no_text_is_says_the_index_of_the_model(folder, said, is_zero):
    if said is not None:
        (folder / "model_index.json").write_text(json.dumps({"force_zeros_for_empty_prompt": said}))
    words = load_parts(str(folder), STABLE_DIFFUSION_XL, trains_unet=False).text([""])
    assert (not words.tokens.any()) == is_zero


def test_each_encoder_is_filled_up_as_its_tokenizer_says(folder):
    assert load_parts(str(folder), STABLE_DIFFUSION_XL, trains_unet=False).text.paddings == (49407, 0)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer_2").mkdir()
    (folder / "tokenizer/special_tokens_map.json").write_text(json.dumps({"pad_token": "!"}))
    (folder / "tokenizer_2/special_tokens_map.json").write_text(json.dumps({"pad_token": {"content": "<|endoftext|>"}}))
    assert load_parts(str(folder), STABLE_DIFFUSION_XL, trains_unet=False).text.paddings == (0, 49407)


def test_the_unet_is_told_the_text_as_a_whole_and_sizes(written):
    parts = load_parts(str(written), STABLE_DIFFUSION_XL, trains_unet=False)
    told, seen = [], []
    parts.unet.add_embedding.register_forward_pre_hook(lambda _, inputs: told.append(inputs[0][:, :20]))
    parts.unet.add_time_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].reshape(-1, 6)))
    for side, sizes in ((1024, [1024, 1024, 0, 0, 1024, 1024]), (None, [12, 16, 0, 0, 12, 16])):
        unet = SteeredUNet(parts, told_side=side)
        with torch.no_grad():
            steering = unet.steering(unet.stem(torch.rand(2, 3, 12, 16)).features, ["roofs", ""], negative="blurry")
            unet.predict_guided(torch.randn(2, 4, 6, 8), torch.tensor([5, 5]), steering, 3.0)
        assert seen.pop().tolist() == [sizes] * 4
        torch.testing.assert_close(told.pop(), parts.text(["roofs", "", "blurry", "blurry"]).pooled)


def test_a_folder_of_stable_diffusion_is_refused_where_xl_is_needed_and_the_reverse(folder, tmp_path):
    with pytest.raises(WeightsError, match="text_time is that of Stable Diffusion XL; .* UNet of Stable Diffusion 1"):
        check_parts(str(folder), STABLE_DIFFUSION)
    change(folder / "unet/config.json", addition_embed_type=None)
    shutil.rmtree(folder / "text_encoder_2")
    with pytest.raises(
        WeightsError,
        match="addition_embed_type: null is that of Stable Diffusion 1 or 2; a ControlNet is made here from the UNet "
        "of Stable Diffusion XL. Give a folder of it, or take a network .* such as MSSD",
    ):
        check_parts(str(folder), STABLE_DIFFUSION_XL)


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("text_encoder_2", {"hidden_size": 16}, "texts of width 40, but its text encoders give 16 and 16"),
        ("text_encoder_2", {"projection_dim": 24}, "a text as a whole of width 20, but its text encoder gives 24"),
        ("text_encoder_2", {"vocab_size": 32000}, "its text_encoder_2 has 32000 tokens, not the 49408 of CLIP"),
        ("unet", {"in_channels": 9}, "in_channels is 9, but the autoencoder has 4 channels.*inpainting"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(folder, part, changes, message):
    change(folder / part / "config.json", **changes)
    with pytest.raises(WeightsError, match=message):
        check_parts(str(folder), STABLE_DIFFUSION_XL)


def test_what_is_missing_is_named(folder):
    (folder / "text_encoder_2/model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"missing: text_encoder_2/model\.safetensors\. Fetch it"):
        check_parts(str(folder), STABLE_DIFFUSION_XL)


def test_an_inline_model_has_both_text_encoders_and_the_same_weights_each_time():
    one, other = (load_parts(TINY_DIFFUSION_XL, STABLE_DIFFUSION_XL, trains_unet=False) for _ in range(2))
    assert one.identity == other.identity and one.identity.is_random
    assert one.text(["roofs"]).tokens.shape == (1, 77, 40)
    assert one.unet.config.projection_class_embeddings_input_dim == 24 + 6 * 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_2": None}, "stable_diffusion_xl: text_2: must be a mapping such as {width"),
        ({"unet": {**TINY_DIFFUSION_XL["unet"], "addition_embed_type": "text"}}, "addition_embed_type: is text, but"),
        ({"unet": {**TINY_DIFFUSION_XL["unet"], "addition_time_embed_dim": 3}}, "an even number from 2 on, got 3"),
        ({"text_3": {}}, "stable_diffusion_xl: text_3 is not an option; did you mean text_2"),
    ],
)
def test_a_wrong_inline_model_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        check_parts({**TINY_DIFFUSION_XL, **changes}, STABLE_DIFFUSION_XL)
    with pytest.raises(ConfigError, match="stable_diffusion: text_2 is not an option"):
        check_parts(TINY_DIFFUSION_XL, STABLE_DIFFUSION)


def test_vldm_samples_images_of_any_size_with_a_folder_and_keeps_it_out_of_checkpoints(written):
    network = VLDM(scale=4, stable_diffusion_xl=str(written), sampler={"steps": 1}, strength=0.5).eval()
    assert network.size_multiple == 1 and network.unet.parts.identity.name == "tiny-xl"
    with torch.no_grad():
        assert network(torch.rand(1, 3, 5, 3), ["roofs"]).shape == (1, 3, 20, 12)
    kept = {name.split(".")[1] for name in network.state_dict() if name != "_extra_state"}
    assert kept == {"stem", "control"}
