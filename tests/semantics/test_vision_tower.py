import io
import json
import logging
import time

import numpy as np
import open_clip
import pytest
import torch

from segsr_arch.errors import ConfigError, WeightsError
from segsr_arch.freezing import state_digest
from segsr_arch.semantics import SemanticsConfig, vision_weights
from segsr_arch.semantics.vision_tower import build_vision_tower
from tests.support import TINY_VLM

TEXT = {"context_length": 8, "vocab_size": 50, "width": 16, "heads": 2, "layers": 1}


def tiny_clip(seed=0, **changes):
    torch.manual_seed(seed)
    vision = {**TINY_VLM["vision_cfg"], **changes}
    return open_clip.CLIP(embed_dim=32, vision_cfg=vision, text_cfg=dict(TEXT), quick_gelu=True)


def build(**options):
    return build_vision_tower(SemanticsConfig(**{"vlm": TINY_VLM, **options}))


@pytest.mark.parametrize("wrap", ["plain", "state_dict", "module", "tower", "safetensors"])
def test_local_file_is_loaded_whatever_its_wrapping(tmp_path, wrap):
    model = tiny_clip()
    state = model.state_dict()
    if wrap == "tower":
        state = model.visual.state_dict()
    if wrap == "module":
        state = {f"module.{name}": value for name, value in state.items()}
    path = tmp_path / ("w.safetensors" if wrap == "safetensors" else "w.pt")
    if wrap == "safetensors":
        from safetensors.torch import save_file

        save_file({name: value.contiguous() for name, value in state.items()}, path)
    else:
        torch.save({"state_dict": state} if wrap == "state_dict" else state, path)
    tower = build(pretrained=str(path))
    assert state_digest(tower.visual.state_dict()) == state_digest(model.visual.state_dict()) == tower.identity.digest
    assert tower.identity.source == path.name
    image = torch.rand(1, 3, 32, 32)
    model.eval()
    torch.testing.assert_close(tower.visual(image), model.visual(image))


def test_the_activation_is_the_configurations(tmp_path):
    assert type(build(pretrained=None).visual.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"
    plain = {**TINY_VLM, "quick_gelu": False}
    assert type(build(vlm=plain, pretrained=None).visual.transformer.resblocks[0].mlp.gelu).__name__ == "GELU"
    name = build_vision_tower(SemanticsConfig(vlm="ViT-B-32-quickgelu", pretrained=None))
    assert type(name.visual.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"
    assert name.visual.conv1.kernel_size == (32, 32)
    assert name.identity.name == "ViT-B-32-quickgelu"


def test_configuration_file_with_its_own_normalisation(tmp_path):
    path = tmp_path / "own_vit.json"
    preprocess = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}
    path.write_text(json.dumps({"model_cfg": {**TINY_VLM, "text_cfg": TEXT}, "preprocess_cfg": preprocess}))
    tower = build(vlm=str(path), pretrained=None)
    assert (tower.identity.name, tower.mean, tower.std) == ("own_vit", (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    assert build(pretrained=None).mean == open_clip.OPENAI_DATASET_MEAN


def test_random_weights_are_announced_seeded_and_leave_the_callers_stream_alone(caplog):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    with caplog.at_level(logging.WARNING, logger="segsr_arch"):
        first = build(pretrained=None)
    assert torch.equal(torch.rand(3), expected)
    assert "RANDOM weights" in caplog.text
    assert first.identity == build(pretrained=None).identity
    assert first.identity.digest != build(pretrained=None, random_seed=1).identity.digest
    assert first.identity.source == "random(0)"


def test_random_weights_are_the_same_on_every_machine():
    # Of numpy PCG64, seed 0: a change here makes every checkpoint that was trained with random weights useless.
    assert build(pretrained=None).identity.digest == (
        "dd36f0f596de3cece88192a5e20456bb2d9c7c207e6884b17551085b75728926"
    )
    weight = build(pretrained=None).visual.transformer.resblocks[0].mlp.c_fc.weight
    assert weight.std().item() == pytest.approx(32**-0.5, rel=0.03)
    assert np.isfinite(weight.detach().numpy()).all()


def test_unknown_tag_and_missing_file_name_the_tags():
    with pytest.raises(
        WeightsError, match="'openia' is neither a file nor a weights tag of ViT-B-32.*Did you mean 'op"
    ):
        build(vlm="ViT-B-32", pretrained="openia")
    with pytest.raises(WeightsError, match="'gone.pt' is neither a file nor a weights tag of this configuration"):
        build(pretrained="gone.pt")


def test_known_tag_without_network_says_what_to_place_where(tmp_path, monkeypatch):
    def offline(*_args, **_kwargs):
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.create_connection", lambda *_args, **_kwargs: io.BytesIO())
    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    with pytest.raises(WeightsError) as caught:
        build(vlm="ViT-B-32-quickgelu", pretrained="openai", cache_dir=str(tmp_path))
    message = str(caught.value)
    assert "network is unreachable" in message and "cache_dir" in message and "semantics: pretrained" in message


def test_a_download_writes_lines_not_bars(tmp_path, monkeypatch, capsys):
    source = tmp_path / "weights.pt"
    source.write_bytes(bytes(2_000_000))
    monkeypatch.setattr(vision_weights, "require_network", lambda source: None)
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda *_: {"url": source.as_uri()})
    path = vision_weights.find_weights("ViT-B-32", "a-tag", str(tmp_path / "cache"))
    assert path == tmp_path / "cache" / "weights.pt" and path.read_bytes() == source.read_bytes()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("100% 2.00M/2.00M [00:0") and "\r" not in line


def test_truncated_file_is_named(tmp_path):
    path = tmp_path / "cut.pt"
    torch.save(tiny_clip().state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="cut.pt cannot be read: it is cut short"):
        build(pretrained=str(path))


def test_file_with_code_is_refused_and_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    path = tmp_path / "code.pt"
    torch.save({"visual.proj": Bomb()}, path)
    with pytest.raises(WeightsError, match="code.pt is refused because it could run code: it holds more than tensors"):
        build(pretrained=str(path))
    assert not (tmp_path / "exploded").exists()


def test_torchscript_archive_gets_the_command_that_converts_it(tmp_path):
    path = tmp_path / "original.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    with pytest.raises(WeightsError, match="TorchScript archive.*torch.jit.load"):
        build(pretrained=str(path))


def test_weights_of_another_architecture_name_what_differs(tmp_path):
    path = tmp_path / "wide.pt"
    torch.save(tiny_clip(width=48).state_dict(), path)
    with pytest.raises(WeightsError, match="wide.pt: its weights belong to another architecture than inline.*shape"):
        build(pretrained=str(path))
    torch.save(tiny_clip(layers=3).state_dict(), path)
    with pytest.raises(WeightsError, match="12 unknown"):
        build(pretrained=str(path))


@pytest.mark.parametrize(
    ("vlm", "message"),
    [
        ("ViT-B-16-quikgelu", "no open_clip model.*did you mean ViT-B-16-quickgelu"),
        ("missing.json", "configuration missing.json does not exist"),
        ("RN50", "no plain ViT"),
        ({"embed_dim": 32}, "holds embed_dim and vision_cfg"),
        ({**TINY_VLM, "vision_cfg": {"widht": 3}}, "cannot build this vision_cfg"),
        ({**TINY_VLM, "vision_cfg": [3]}, "vision_cfg: expected a mapping"),
        ({**TINY_VLM, 7: True}, "found 7, embed_dim"),
        (
            {**TINY_VLM, "vision_cfg": {**TINY_VLM["vision_cfg"], "image_size": 1}},
            "image_size: must be .* from 8",
        ),
        ({**TINY_VLM, "vision_cfg": {**TINY_VLM["vision_cfg"], "patch_size": True}}, "patch_size: must be .* from 1"),
        ({**TINY_VLM, "embed_dim": 0}, "embed_dim: must be a whole number from 1, got 0"),
    ],
)
def test_unusable_models_are_explained(vlm, message):
    with pytest.raises(ConfigError, match=message):
        build(vlm=vlm, pretrained=None)


def test_without_network_a_tag_fails_at_once_and_a_fetched_one_loads(tmp_path, monkeypatch):
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    start = time.monotonic()
    with pytest.raises(WeightsError, match="'openai' of ViT-B-32-quickgelu could not be fetched.*ConnectionRefused"):
        build(vlm="ViT-B-32-quickgelu", pretrained="openai", cache_dir=str(tmp_path))
    assert time.monotonic() - start < 10
    repository, _ = open_clip.get_pretrained_cfg("ViT-B-32-quickgelu", "openai")["hf_hub"].rsplit("/", 1)
    snapshot = tmp_path / f"models--{repository.replace('/', '--')}" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    (snapshot / "open_clip_model.safetensors").write_bytes(b"cut short")
    with pytest.raises(WeightsError, match="open_clip_model.safetensors cannot be read as weights"):
        build(vlm="ViT-B-32-quickgelu", pretrained="openai", cache_dir=str(tmp_path))
