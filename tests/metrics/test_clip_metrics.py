"""CLIP-IQA and the cosine of embeddings; with random weights, so the values themselves mean nothing."""

import sys

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from segsr_arch.errors import DependencyError, WeightsError
from segsr_arch.metrics.catalogue import find_metric
from segsr_arch.metrics.measures import clip_iqa
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from tests.metrics.backbones import write_clip
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
