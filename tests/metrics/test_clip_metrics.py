"""CLIP-IQA and the cosine of embeddings; with random weights, so the values themselves mean nothing."""

import json
import re
import sys

import numpy as np
import open_clip
import pytest
import torch
import transformers
from PIL import Image
from torch.nn import functional as F

from segsr_arch.errors import ConfigError, DependencyError, WeightsError
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.measures import clip_iqa
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from tests.metrics.backbones import CLIP_RESNET, write_clip, write_clip_resnet
from tests.support import TINY_SEMANTICS, make_image

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("models") / "tiny-clip")


def test_clip_iqa_by_hand(clip_folder):
    image = make_image(0, 40, 56)
    measure = find_metric("clip_iqa").load(device=CPU, options={"model": str(clip_folder)})
    processor = transformers.CLIPProcessor.from_pretrained(clip_folder)
    model = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    inputs = processor(
        text=["Good photo.", "Bad photo."], images=Image.fromarray(image[..., ::-1]), return_tensors="pt", padding=True
    )
    with torch.no_grad():
        output = model(**inputs)
    cosines = output.image_embeds @ output.text_embeds.T
    expected = torch.softmax(100 * cosines, dim=-1)[0, 0].item()
    assert 0 < expected < 1
    assert measure(image, None, None, 4) == pytest.approx(expected, abs=1e-4)
    assert measure(image.astype(np.uint16) * 257, None, None, 4) == pytest.approx(expected, abs=1e-4)
    assert f"transformers {transformers.__version__}, tiny-clip, 'Good photo.'" in measure.backend


@pytest.fixture(scope="module")
def clip_resnet(tmp_path_factory):
    return write_clip_resnet(tmp_path_factory.mktemp("models"))


def test_clip_iqa_by_a_resnet_by_hand(clip_resnet):
    """Random weights. An image of the training's size, where the embedding that is left out would fit."""
    image = make_image(0, 64, 64)
    measure = find_metric("clip_iqa_rn50").load(device=CPU, options=clip_resnet)
    model = open_clip.CLIP(**CLIP_RESNET).eval()
    model.load_state_dict(torch.load(clip_resnet["pretrained"], weights_only=True))
    pixels = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    mean, std = (
        torch.tensor(each).view(1, 3, 1, 1) for each in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    tokens = open_clip.SimpleTokenizer(context_length=16)(["Good photo.", "Bad photo."])

    def expected():
        with torch.no_grad():
            seen, words = (
                F.normalize(each, dim=-1)
                for each in (model.encode_image((pixels - mean) / std), model.encode_text(tokens))
            )
            return torch.softmax(model.logit_scale.exp() * seen @ words.T, dim=-1)[0, 0].item()

    with_places = expected()
    torch.nn.init.zeros_(model.visual.attnpool.positional_embedding)
    assert measure(image, None, None, 4) == pytest.approx(expected(), abs=1e-6)
    assert measure(image, None, None, 4) != pytest.approx(with_places, abs=1e-6)
    assert re.search(r"open_clip [\d.]+, resnet \(resnet.pt, [0-9a-f]{12}\) without position", measure.backend)


def test_clip_iqa_by_a_resnet_sees_images_of_any_size_whole(clip_resnet):
    measure = find_metric("clip_iqa_rn50").load(device=CPU, options=clip_resnet)
    image = make_image(0, 70, 130)
    changed = image.copy()
    changed[:, 100:] = 0
    assert 0 < measure(image, None, None, 4) < 1
    assert measure(image, None, None, 4) != measure(changed, None, None, 4)


def test_clip_iqa_by_a_resnet_says_what_is_wrong_with_a_model(clip_resnet, tmp_path, clip_folder):
    load = find_metric("clip_iqa_rn50").load
    with pytest.raises(WeightsError, match="clip_iqa_rn50: pretrained: 'none.pt' is neither a file nor a weights tag"):
        load(device=CPU, options={**clip_resnet, "pretrained": "none.pt"})
    transformer = {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16}
    (tmp_path / "vit.json").write_text(json.dumps({**CLIP_RESNET, "vision_cfg": transformer}))
    with pytest.raises(ConfigError, match="vit has no ResNet"):
        load(device=CPU, options={**clip_resnet, "architecture": str(tmp_path / "vit.json")})
    smaller = {**CLIP_RESNET, "embed_dim": 8}
    (tmp_path / "other.json").write_text(json.dumps(smaller))
    with pytest.raises(WeightsError, match="resnet.pt: its weights belong to another architecture than other"):
        load(device=CPU, options={**clip_resnet, "architecture": str(tmp_path / "other.json")})


def test_clip_iqa_without_network(empty_hub, monkeypatch):
    def unreachable(url):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(clip_iqa, "require_network", unreachable)
    with pytest.raises(WeightsError, match="clip_iqa: the model 'a/b' cannot be loaded .*Network is unreachable.*"):
        find_metric("clip_iqa").load(device=CPU, options={"model": "a/b"})


def test_clip_iqa_of_a_folder_without_model(tmp_path):
    with pytest.raises(WeightsError, match="cannot be loaded"):
        find_metric("clip_iqa").load(device=CPU, options={"model": str(tmp_path)})


def test_clip_iqa_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        DependencyError, match=r"clip_iqa: needs transformers .* pip install 'segsr-arch\[perceptual\]'"
    ):
        find_metric("clip_iqa").load(device=CPU)


def test_clip_cosine():
    measure = find_metric("clip_cosine").load(device=CPU, options={"semantics": TINY_SEMANTICS})
    sr, gt = make_image(0, 37, 50), make_image(1, 37, 50)
    assert measure(gt, gt, None, 4) == pytest.approx(1)
    value = measure(sr, gt, None, 4)
    assert value < 0.9999 and value == pytest.approx(measure(gt, sr, None, 4))
    # the embeddings are those of SFEM on the image itself, before any training
    sfem = SemanticFeatureExtraction(config=SemanticsConfig.from_options(TINY_SEMANTICS), scale=1).eval()
    with torch.no_grad():
        batch = torch.from_numpy(np.stack([sr, gt])[..., ::-1].copy()).permute(0, 3, 1, 2) / 255
        first, second = sfem(batch)[0]
    assert value == pytest.approx(torch.cosine_similarity(first, second, dim=0).item(), abs=1e-5)
    assert "RANDOM WEIGHTS" in measure.backend and "random(0)" in measure.backend


def test_clip_cosine_of_16_bits():
    measure = find_metric("clip_cosine").load(
        device=CPU, options={"semantics": SemanticsConfig.from_options(TINY_SEMANTICS)}
    )
    pair = make_image(0, 20, 20), make_image(1, 20, 20)
    wide = [image.astype(np.uint16) * 257 for image in pair]
    assert measure(*wide, None, 2) == pytest.approx(measure(*pair, None, 2), abs=1e-6)
