import json
import logging
import sys

import open_clip
import pytest
import torch
from safetensors.torch import save_file

from segsr_arch.errors import ConfigError, DependencyError, WeightsError
from segsr_arch.semantics import SemanticsConfig
from segsr_arch.semantics.text_tower import build_text_tower
from segsr_arch.semantics.vision_tower import build_vision_tower
from tests.support import TINY_VLM

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
VLM = {**TINY_VLM, "text_cfg": TEXT}
SENTENCES = ["a satellite photo of a forest.", "harbor", "an aerial photo of dense residential buildings."]


def whole_model(seed=0):
    """A model whose text tower has no parameter at its initial value; returns it in evaluation mode."""
    torch.manual_seed(seed)
    model = open_clip.CLIP(embed_dim=32, vision_cfg=TINY_VLM["vision_cfg"], text_cfg=dict(TEXT), quick_gelu=True)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


@pytest.fixture(scope="module")
def model():
    return whole_model()


def save(state, path):
    if path.suffix == ".safetensors":
        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    return str(path)


def build(vlm=VLM, **options):
    with torch.random.fork_rng(devices=[]):
        config = SemanticsConfig(vlm=vlm, **options)
        return build_text_tower(config, beside=build_vision_tower(config).identity)


def renamed(state):
    """As open_clip names the weights of a model with a text tower as a module of its own."""
    kept = ("visual.", "logit_scale")
    return {name if name.startswith(kept) else f"text.{name}": value for name, value in state.items()}


@pytest.mark.parametrize("wrap", ["w.pt", "w.safetensors", "renamed.pt", "openai.pt"])
def test_equals_open_clips_own_text_embedding(tmp_path, model, wrap):
    state = model.state_dict()
    if wrap == "renamed.pt":
        state = renamed(state)
    if wrap == "openai.pt":
        state = {**state, "context_length": torch.tensor(16), "vocab_size": torch.tensor(49408)}
    tower = build(pretrained=save(state, tmp_path / wrap))
    with torch.no_grad():
        expected = model.encode_text(open_clip.SimpleTokenizer()(SENTENCES, context_length=16), normalize=True)
    embedded = tower(SENTENCES)
    torch.testing.assert_close(embedded, expected, atol=1e-6, rtol=1e-5)
    assert not embedded.requires_grad and not any(p.requires_grad for p in tower.parameters())
    # Many sentences go through in batches, with the same result.
    torch.testing.assert_close(tower(SENTENCES * 50)[-3:], expected, atol=1e-6, rtol=1e-5)


def test_half_precision_files_belong_to_the_vision_tower_that_was_read_from_them(tmp_path, model):
    path = save({name: value.half() for name, value in model.state_dict().items()}, tmp_path / "half.pt")
    tower = build(pretrained=path)
    assert tower.model.token_embedding.weight.dtype == torch.float32


def test_words_of_another_model_are_refused(tmp_path, model):
    own = SemanticsConfig(vlm=VLM, pretrained=save(model.state_dict(), tmp_path / "own.pt"))
    other = SemanticsConfig(vlm=VLM, pretrained=save(whole_model(1).state_dict(), tmp_path / "other.pt"))
    identity = build_vision_tower(own).identity
    build_text_tower(own, beside=identity)
    with pytest.raises(WeightsError, match="other.pt: its vision tower .* is not that of the network") as caught:
        build_text_tower(other, beside=identity)
    assert str(identity) in str(caught.value)


def test_a_file_without_words_says_which_file_is_needed(tmp_path, model):
    path = save(model.visual.state_dict(), tmp_path / "tower.pt")
    with pytest.raises(WeightsError, match="tower.pt: holds a vision tower alone.*state dict of the whole model"):
        build(pretrained=path)
    only_visual = {name: value for name, value in model.state_dict().items() if name.startswith("visual.")}
    with pytest.raises(WeightsError, match="holds a vision tower alone"):
        build(pretrained=save(only_visual, tmp_path / "prefixed.pt"))


def test_a_text_tower_of_another_shape_is_named(tmp_path, model):
    path = save(model.state_dict(), tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="w.pt: its weights belong to another architecture than the text tower of"):
        build(vlm={**VLM, "text_cfg": {**TEXT, "layers": 3}}, pretrained=path)


def test_without_text_cfg_the_error_says_what_to_add_and_adding_it_keeps_the_digest():
    with pytest.raises(ConfigError, match=r"inline: its configuration has no text_cfg.*text_cfg: \{context_length: 77"):
        build(vlm=TINY_VLM, pretrained=None)
    digests = {build_vision_tower(SemanticsConfig(vlm=vlm, pretrained=None)).identity.digest for vlm in (VLM, TINY_VLM)}
    assert len(digests) == 1


def test_random_words_are_seeded_portable_and_not_the_vision_towers_numbers(caplog):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with caplog.at_level(logging.WARNING, logger="segsr_arch"):
        first = build(pretrained=None)
    assert torch.equal(torch.rand(3), expected)
    torch.testing.assert_close(first(SENTENCES), build(pretrained=None)(SENTENCES))
    assert not torch.allclose(first(SENTENCES), build(pretrained=None, random_seed=1)(SENTENCES), atol=1e-2)
    # Of numpy PCG64, seed (0, 1).
    head = first.model.positional_embedding[0, :2].tolist()
    assert head == pytest.approx([-0.35809310, 0.01919406], abs=1e-7)
    assert first.model.token_embedding.weight.std().item() == pytest.approx(16**-0.5, rel=0.02)


def test_configuration_file_with_text(tmp_path):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"model_cfg": VLM}))
    assert build(vlm=str(path), pretrained=None)(["river"]).shape == (1, 32)


def test_long_sentences_and_small_vocabularies_are_refused():
    with pytest.raises(ConfigError, match="'a a a .* is 22 tokens long, but inline reads 16 at most"):
        build(pretrained=None)(["a " * 20])
    with pytest.raises(ConfigError, match="vocab_size is 50, but the tokenizer gives token 49407"):
        build(vlm={**VLM, "text_cfg": {**TEXT, "vocab_size": 50}}, pretrained=None)(["river"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"widht": 3}, "inline: open_clip cannot build this text_cfg"),
        ({"heads": 3}, "inline: open_clip cannot build this text_cfg"),
        ({"hf_model_name": "roberta-base"}, "inline: its text tower is the Hugging Face model roberta-base"),
    ],
)
def test_text_towers_that_cannot_be_built(change, message):
    with pytest.raises(ConfigError, match=message):
        build(vlm={**VLM, "text_cfg": {**TEXT, **change}}, pretrained=None)


def test_a_tokenizer_that_cannot_be_had(tmp_path, monkeypatch):
    vlm = {**VLM, "text_cfg": {**TEXT, "hf_tokenizer_name": "some-owner/some-tokenizer"}}
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(WeightsError, match="tokenizer some-owner/some-tokenizer of inline could not be had.*copy its"):
        build(vlm=vlm, pretrained=None, cache_dir=str(tmp_path))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DependencyError, match="pip install transformers"):
        build(vlm=vlm, pretrained=None, cache_dir=str(tmp_path))
