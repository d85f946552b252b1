"""Weights under the names that others give them compute what they computed there."""

import pytest
import torch
from torch import nn

from segsr_arch.errors import CheckpointError, WeightsError
from segsr_arch.guiding.base_weights import load_base_weights
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.semantics.text_tower import build_text_tower
from segsr_arch.semantics.vision_tower import build_vision_tower
from segsr_arch.weights.layouts import in_layout_of, to_open_clip
from segsr_arch.weights.network_weights import read_weights
from segsr_arch.zoo.named_networks import build_base
from tests.compat.test_resume import make_model

SIZES = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "upscale": 2}
OURS_RCAN = {"type": "RCAN", **SIZES, "num_group": 2, "num_block": 2, "squeeze_factor": 4}
OURS_EDSR = {"type": "EDSR", **SIZES, "num_block": 2}
MEAN = [0.4488, 0.4371, 0.4040]
TINY = {"embed_dim": 24, "quick_gelu": True}
VISION = {"image_size": 32, "patch_size": 8, "layers": 2, "width": 32, "head_width": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "layers": 2, "width": 32, "heads": 2}


class AuthorsBlock(nn.Module):
    """EDSR's block as its authors name its parts."""

    def __init__(self, features):
        super().__init__()
        convolutions = (nn.Conv2d(features, features, 3, padding=1) for _ in range(2))
        self.body = nn.Sequential(next(convolutions), nn.ReLU(), next(convolutions))

    def forward(self, x):
        return x + self.body(x)


class AuthorsEdsr(nn.Module):
    """EDSR for images in 0-255, as its authors name its parts."""

    def __init__(self, features=8, blocks=2, mean=MEAN):
        super().__init__()
        self.sub_mean, self.add_mean = (nn.Conv2d(3, 3, 1) for _ in range(2))
        for shift, sign in ((self.sub_mean, -1), (self.add_mean, 1)):
            shift.weight.data = torch.eye(3).view(3, 3, 1, 1)
            shift.bias.data = sign * 255 * torch.tensor(mean)
        self.head = nn.Sequential(nn.Conv2d(3, features, 3, padding=1))
        body = [AuthorsBlock(features) for _ in range(blocks)]
        self.body = nn.Sequential(*body, nn.Conv2d(features, features, 3, padding=1))
        enlarging = nn.Sequential(nn.Conv2d(features, 4 * features, 3, padding=1), nn.PixelShuffle(2))
        self.tail = nn.Sequential(enlarging, nn.Conv2d(features, 3, 3, padding=1))

    def forward(self, lq):
        x = self.head(self.sub_mean(lq * 255))
        return self.add_mean(self.tail(x + self.body(x))) / 255


def authors(name):
    torch.manual_seed(3)
    if name == "EDSR":
        return AuthorsEdsr().eval()
    spandrel = pytest.importorskip("spandrel.architectures.RCAN", reason="pip install 'segsr[zoo]'")
    return spandrel.RCAN(scale=2, n_resgroups=2, n_resblocks=2, n_feats=8, reduction=4).eval()


OURS = {"RCAN": OURS_RCAN, "EDSR": OURS_EDSR}


@pytest.mark.parametrize("name", OURS)
def test_a_network_of_its_authors_computes_the_same_here(name, tmp_path):
    published, ours = authors(name), build_base(OURS[name]).eval()
    torch.save(published.state_dict(), tmp_path / "x2.pt")
    load_base_weights(ours, str(tmp_path / "x2.pt"))
    lq = torch.rand(1, 3, 12, 10)
    with torch.no_grad():
        torch.testing.assert_close(ours(lq), published(lq.clone()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", OURS)
def test_it_may_be_the_checkpoint_to_start_from(name, tmp_path):
    published, model = authors(name), make_model(tmp_path)
    torch.save({"model": {f"module.{key}": value for key, value in published.state_dict().items()}}, tmp_path / "x.pt")
    model.net_g = build_base(OURS[name]).eval()
    model.load_network(model.net_g, tmp_path / "x.pt")
    lq = torch.rand(1, 3, 12, 10)
    with torch.no_grad():
        torch.testing.assert_close(model.net_g(lq), published(lq.clone()), rtol=1e-4, atol=1e-4)


def test_another_mean_or_range_is_refused(tmp_path):
    torch.save(authors("EDSR").state_dict(), tmp_path / "x2.pt")
    for wrong in ({"rgb_mean": [0.5, 0.5, 0.5]}, {"img_range": 1.0}):
        with pytest.raises(
            CheckpointError, match=r"x2\.pt: these weights were trained with a mean of \[114\.444, 111\."
        ):
            load_base_weights(build_base({**OURS_EDSR, **wrong}), str(tmp_path / "x2.pt"))


def test_weights_in_a_layout_for_another_network_are_told_apart_by_name(tmp_path):
    path = str(tmp_path / "x.pt")
    torch.save(authors("RCAN").state_dict(), path)
    with pytest.raises(
        CheckpointError, match="names are those of RCAN as its authors publish it, which type: RCAN of the"
    ):
        load_base_weights(build_base(OURS_EDSR), path)
    torch.save(build_base(OURS_RCAN).state_dict(), path)
    with pytest.raises(
        CheckpointError, match="names are those of BasicSR's RCAN, which type: RCAN of the same sizes takes"
    ):
        load_base_weights(authors("RCAN"), path)
    torch.save(transformers_clip().state_dict(), path)
    with pytest.raises(
        CheckpointError, match="names are those of CLIP as transformers saves it, which semantics: pretr"
    ):
        load_base_weights(build_base(OURS_EDSR), path)


def test_other_sizes_are_not_taken_for_it(tmp_path):
    torch.save(AuthorsEdsr(blocks=3).state_dict(), tmp_path / "x.pt")
    weights, _ = read_weights(tmp_path / "x.pt", None)
    ours = build_base(OURS_EDSR)
    assert in_layout_of(ours, weights, path="x.pt") is weights
    own = ours.state_dict()
    assert in_layout_of(ours, own, path="x.pt") is own


def transformers_clip():
    import transformers

    torch.manual_seed(5)
    block = {"hidden_size": 32, "intermediate_size": 128, "num_attention_heads": 2, "num_hidden_layers": 2}
    vision = {**block, "image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu"}
    marks = {"bos_token_id": 49406, "eos_token_id": 49407}
    text = {**block, **marks, "vocab_size": 49408, "max_position_embeddings": 16, "hidden_act": "quick_gelu"}
    config = transformers.CLIPConfig(projection_dim=24, vision_config=vision, text_config=text)
    model = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases are zero otherwise, and could be exchanged
            parameter += 0.02 * torch.randn(parameter.shape)
    return model


def embedding(output):
    return output if torch.is_tensor(output) else output.pooler_output


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("ending", ["bin", "safetensors"])
def test_clip_as_transformers_saves_it_computes_the_same_here(tmp_path, whole, ending):
    pytest.importorskip("transformers", reason="pip install 'segsr[perceptual]'")
    model = transformers_clip()
    state = {key: value for key, value in model.state_dict().items() if whole or key.startswith("vis")}
    state["vision_model.embeddings.position_ids"] = torch.arange(17)[None]  # as older versions saved them
    path = tmp_path / f"model.{ending}"
    if ending == "bin":
        torch.save(state, path)
    else:
        from safetensors.torch import save_file

        save_file(state, path)
    config = SemanticsConfig(vlm={**TINY, "vision_cfg": VISION, "text_cfg": TEXT}, pretrained=str(path))
    tower = build_vision_tower(config)
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = embedding(model.get_image_features(pixel_values=images))
        torch.testing.assert_close(tower.visual(images), expected, rtol=1e-4, atol=1e-4)
    if not whole:
        with pytest.raises(WeightsError, match="holds a vision tower alone"):
            build_text_tower(config, beside=tower.identity)
        return
    words = build_text_tower(config, beside=tower.identity)
    tokens = words.tokenizer(["a beach", "an airport beside a river"], context_length=16)
    with torch.no_grad():
        found = words.model.encode_text(tokens)
        expected = embedding(model.get_text_features(input_ids=tokens))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_clip_of_open_clip_and_halves_of_attention_are_left_as_they_are():
    state = {"visual.conv1.weight": torch.zeros(1), "logit_scale": torch.zeros(())}
    assert to_open_clip(state) == state
    layer = "vision_model.encoder.layers.0.self_attn."
    damaged = to_open_clip({f"{layer}q_proj.bias": torch.zeros(2), f"{layer}v_proj.bias": torch.ones(2)})
    assert list(damaged) == [f"visual.transformer.resblocks.0.attn.in_proj_bias.{part}" for part in "qv"]


def test_clip_of_transformers_without_its_projection_says_what_is_missing(tmp_path):
    pytest.importorskip("transformers", reason="pip install 'segsr[perceptual]'")
    state = {key: value for key, value in transformers_clip().state_dict().items() if key.startswith("vision_model.")}
    torch.save(state, tmp_path / "vision.bin")
    with pytest.raises(WeightsError, match=r"another architecture than inline: 1 missing \(proj\)"):
        build_vision_tower(SemanticsConfig(vlm={**TINY, "vision_cfg": VISION}, pretrained=str(tmp_path / "vision.bin")))
