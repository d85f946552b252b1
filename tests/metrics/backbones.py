"""Weights files of the right names and shapes with random content, so that the real loading runs without a network."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import torch
import torchvision


def _random_like(name, value, stream):
    if not value.is_floating_point():
        return torch.zeros(value.shape, dtype=value.dtype)
    if name.startswith(("classifier", "fc", "AuxLogits")):
        return torch.zeros(1).expand(value.shape)  # never used here, and so small in the file
    if value.ndim > 1:
        return torch.randn(value.shape, generator=stream) * (2 / value[0].numel()) ** 0.5
    return torch.full(value.shape, float(name.endswith(("weight", "running_var"))))


def _write(home, url, shapes):
    stream = torch.Generator().manual_seed(0)
    path = Path(home) / "hub" / "checkpoints" / Path(urlsplit(url).path).name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: _random_like(name, value, stream) for name, value in shapes.items()}, path)
    return path


def write_alexnet(home):
    with torch.device("meta"):
        shapes = torchvision.models.alexnet().state_dict()
    return _write(home, torchvision.models.AlexNet_Weights.IMAGENET1K_V1.url, shapes)


def write_vgg16(home):
    with torch.device("meta"):
        shapes = torchvision.models.vgg16(init_weights=False).state_dict()
    return _write(home, torchvision.models.VGG16_Weights.IMAGENET1K_V1.url, shapes)


def write_inception(home, monkeypatch):
    from torch_fidelity import feature_extractor_inceptionv3 as module

    with monkeypatch.context() as patch, torch.device("meta"):
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *_, **__: None)
        patch.setattr(module.FeatureExtractorInceptionV3, "to", lambda self, *_, **__: self)
        shapes = module.FeatureExtractorInceptionV3("shapes", ["2048"]).state_dict()
    return _write(home, module.URL_INCEPTION_V3, shapes)


def write_clip(folder):
    """A CLIP of two blocks with all that a folder of transformers holds; its words are single letters."""
    import transformers
    from tokenizers import pre_tokenizers

    folder = Path(folder)
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    letters = list(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: place for place, word in enumerate(sorted(words))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    marks = {"bos_token_id": vocabulary["<|startoftext|>"], "eos_token_id": vocabulary["<|endoftext|>"]}
    block = {"hidden_size": 32, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = transformers.CLIPConfig(
        text_config={**block, **marks, "vocab_size": len(vocabulary), "max_position_embeddings": 77},
        vision_config={**block, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    model = transformers.CLIPModel(config)
    with torch.no_grad():  # what all texts share: cosines differ little then, and not every probability is 0 or 1
        model.text_model.final_layer_norm.bias += 30
    model.save_pretrained(folder)
    size = {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}
    transformers.CLIPProcessor(
        transformers.CLIPImageProcessor(**size), transformers.CLIPTokenizer.from_pretrained(folder)
    ).save_pretrained(folder)
    return folder


CLIP_RESNET = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def write_clip_resnet(folder):
    """A CLIP of open_clip with a small ResNet; returns the options that name it."""
    import open_clip

    (folder / "resnet.json").write_text(json.dumps(CLIP_RESNET))
    torch.manual_seed(0)
    torch.save(open_clip.CLIP(**CLIP_RESNET).state_dict(), folder / "resnet.pt")
    return {"architecture": str(folder / "resnet.json"), "pretrained": str(folder / "resnet.pt")}
