import json
import re
import sys

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from segsr_arch.captions import transformers_captioner
from segsr_arch.captions.captioner import PROMPT, load_captioner
from segsr_arch.errors import ConfigError, DependencyError, WeightsError
from segsr_arch.semantics import vision_weights
from tests.captions.tiny_models import COCA, WORDS, save_blip, save_coca, save_llava
from tests.support import make_image


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def coca(tmp_path_factory):
    return save_coca(tmp_path_factory.mktemp("coca"))


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(vision_weights.socket, "create_connection", refuse)
    monkeypatch.setattr(vision_weights.urllib.request, "getproxies", dict)


def descriptions(captioner):
    return [captioner.describe(make_image(seed, 20, 31)) for seed in range(6)]


def test_a_model_that_chats_is_asked_and_answers_alone(llava):
    captioner = load_captioner(str(llava), most_tokens=6)
    assert captioner.prompt == PROMPT
    said = descriptions(captioner)
    assert len(set(said)) > 1 and all(set(text.split()) <= set(WORDS[5:]) for text in said)
    assert max(len(text.split()) for text in said) == 6
    # the model's own sampling is put away, so it says the same again; asked something else it says something else
    assert descriptions(captioner) == said
    other = load_captioner(str(llava), prompt="the river", most_tokens=6)
    assert other.prompt == "the river" and descriptions(other) != said
    assert other.identity == captioner.identity and len(other.identity.digest) == 64


def test_a_model_without_a_chat_template_is_asked_nothing(tmp_path):
    captioner = load_captioner(str(save_blip(tmp_path)), most_tokens=5)
    assert captioner.prompt is None
    said = captioner.describe(make_image(0, 20, 31))
    assert set(re.findall(r"\w+", said)) <= set(WORDS[5:]) and 1 <= len(said.split()) <= 5


def test_weights_that_are_missing_in_a_folder_are_not_drawn_instead(llava, tmp_path):
    for file in llava.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    name = next(name for name in state if "lm_head" in name)
    del state[name]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match="its weights do not fit its configuration: 1 are missing.*lm_head.weight"):
        load_captioner(str(tmp_path))
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="cannot be loaded .OSError.*Give a folder that save_pretrained"):
        load_captioner(str(tmp_path))
    (tmp_path / "config.json").unlink()
    with pytest.raises(WeightsError, match="holds no config.json"):
        load_captioner(str(tmp_path))


def test_a_model_of_text_alone_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(ConfigError, match="is a gpt2, which makes no text of images"):
        load_captioner(str(tmp_path))


def test_code_of_a_model_is_not_run(tmp_path):
    content = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(WeightsError, match="cannot be loaded"):
        load_captioner(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_model_that_is_neither_here_nor_to_be_had(offline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = "neither a folder .seen from .* nor in the cache of Hugging Face, and its hub cannot be reached"
    with pytest.raises(WeightsError, match=f"{message} .Network is unreachable.*hf download made/up --local-dir"):
        load_captioner("made/up", cache_dir=str(tmp_path))
    with pytest.raises(WeightsError, match="--model ./models/llava: no such folder"):
        load_captioner("./models/llava")
    with pytest.raises(WeightsError, match="--pretrained: the weights 'laion2b_s13b_b90k' of coca_ViT-B-32 could not"):
        load_captioner("coca_ViT-B-32", pretrained="laion2b_s13b_b90k", cache_dir=str(tmp_path))


def test_without_transformers_the_remedy_is_said(monkeypatch, llava):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DependencyError, match=re.escape(transformers_captioner._INSTALL)):
        load_captioner(str(llava))


def test_coca_says_the_likeliest_word_each_time(coca):
    config, weights = coca
    captioner = load_captioner(str(config), pretrained=str(weights))
    said = descriptions(captioner)
    assert captioner.prompt is None and captioner.most_tokens == 10
    assert len(set(said)) > 1 and all(said) and descriptions(captioner) == said
    assert captioner.identity.name == "tiny_coca" and captioner.identity.source == "tiny_coca.pt"
    # against the logits of one pass over all that was said
    image = make_image(0, 16, 16)
    pixels = captioner._prepared(image)
    ids = captioner._choose_tokens(pixels)
    with torch.no_grad():
        logits = captioner.model(pixels, torch.tensor([[49406, *ids]]), output_labels=False)["logits"][0]
    assert logits.argmax(-1).tolist()[: len(ids)] == ids
    expected = (image / 255 - open_clip.OPENAI_DATASET_MEAN) / open_clip.OPENAI_DATASET_STD
    assert np.allclose(pixels[0].permute(1, 2, 0), expected, atol=1e-5)
    short = load_captioner(str(config), pretrained=str(weights), most_tokens=3)
    assert short._choose_tokens(pixels) == ids[:3]


@pytest.mark.parametrize(
    ("changes", "options", "error", "message"),
    [
        ({}, {}, ConfigError, "needs --pretrained"),
        ({}, {"pretrained": "W", "prompt": "?"}, ConfigError, "is a CoCa, which cannot be asked; leave it out"),
        ({}, {"pretrained": "gone.pt"}, WeightsError, "--pretrained: 'gone.pt' is neither a file nor a weights tag"),
        ({"multimodal_cfg": None}, {"pretrained": "W"}, ConfigError, "is no CoCa.* no multimodal_cfg; .*coca_ViT-B-32"),
        ({"embed_dim": 32}, {"pretrained": "W"}, WeightsError, "belong to another architecture than changed"),
        ({"text_cfg": {"hf_model_name": "x"}}, {"pretrained": "W"}, ConfigError, "text tower is one of Hugging Face"),
    ],
)
def test_what_is_wrong_with_a_coca_is_told(coca, tmp_path, changes, options, error, message):
    content = {key: value for key, value in {**COCA, **changes}.items() if value is not None}
    path = tmp_path / "changed.json"
    path.write_text(json.dumps(content))
    if options.get("pretrained") == "W":
        options = {**options, "pretrained": str(coca[1])}
    with pytest.raises(error, match=message):
        load_captioner(str(path), **options)


def test_names_of_coca_are_known(tmp_path):
    with pytest.raises(ConfigError, match="'coca_ViT-B-23' is no open_clip model.*did you mean coca_ViT-B-32"):
        load_captioner("coca_ViT-B-23", pretrained="x")
    with pytest.raises(WeightsError, match="tags: .*mscoco.*Give a tag or the path of a weights file[.]"):
        load_captioner("coca_ViT-B-32", pretrained=str(tmp_path / "gone"))
