"""CLIP-IQA as its paper has it (Wang et al. 2023): a CLIP with a ResNet, which sees the image at its own size.

Its last layer attends over all places of the image, which it tells apart by an embedding of the training's size;
without that embedding any size will do, and nothing is resized or cut off. Models come from open_clip.
"""

from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.modified_resnet import ModifiedResNet
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.freezing import state_digest
from segsr_arch.metrics.measures.clip_iqa import PROMPTS
from segsr_arch.metrics.metric import Compute, Metric
from segsr_arch.semantics.vision_tower import model_config, resolve_configuration
from segsr_arch.semantics.vision_weights import find_weights, read_model
from segsr_arch.weights.network_weights import load_strictly

CLIP_RESNET = "RN50-quickgelu"
CLIP_RESNET_WEIGHTS = "openai"
_NAME = "clip_iqa_rn50"
_NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size")  # numbers that OpenAI's archives hold besides


def _load(
    *, device: torch.device, architecture: str = CLIP_RESNET, pretrained: str = CLIP_RESNET_WEIGHTS
) -> tuple[str, Compute]:
    """Load the model and embed the two prompts.

    Args:
        device: Where it runs.
        architecture: open_clip name of a CLIP with a ResNet, or a .json or .yml configuration.
        pretrained: Tag or file of its weights.
    """
    name, tag_owner, content = resolve_configuration(architecture, option=f"{_NAME}: architecture")
    model = _build(name, model_config(content))
    path = find_weights(
        tag_owner,
        pretrained,
        None,
        option=f"{_NAME}: pretrained",
        cache_option="HF_HOME",
        choices="a tag or the path of a weights file",
    )
    state = {key: value for key, value in read_model(path).items() if key not in _NO_WEIGHTS}
    misfit = f"{path}: its weights belong to another architecture than {name}"
    load_strictly(model, state, misfit=misfit, remedy="Give the architecture that the file was made for.")
    digest = state_digest(model.state_dict())
    pool: Any = model.visual.attnpool
    pool.positional_embedding = torch.nn.Parameter(torch.zeros(1, pool.positional_embedding.shape[1]))
    model = model.to(device).eval().requires_grad_(False)
    mean, std = (
        torch.tensor(values, device=device).view(1, 3, 1, 1)
        for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    with torch.inference_mode():
        tokens = open_clip.SimpleTokenizer(context_length=model.context_length)(PROMPTS)
        anchors = F.normalize(model.encode_text(tokens.to(device)), dim=-1)

    @torch.inference_mode()
    def compute(sr: Tensor) -> float:
        image = F.normalize(model.encode_image((sr.to(device) - mean) / std), dim=-1)
        return float((model.logit_scale.exp() * image @ anchors.T).softmax(dim=-1)[0, 0])

    source = pretrained if str(path) != pretrained else Path(path).name
    return (
        f"open_clip {open_clip.__version__}, {name} ({source}, {digest[:12]}) without position embedding, own size, "
        f"{PROMPTS[0]!r} / {PROMPTS[1]!r}",
        compute,
    )


def _build(name: str, architecture: Any) -> open_clip.CLIP:
    try:
        model = open_clip.CLIP(
            embed_dim=architecture["embed_dim"],
            vision_cfg=dict(architecture["vision_cfg"]),
            text_cfg=dict(architecture["text_cfg"]),
            quick_gelu=bool(architecture.get("quick_gelu", False)),
        )
    except (KeyError, TypeError, ValueError, AssertionError, ZeroDivisionError, RuntimeError) as error:
        raise ConfigError(f"{_NAME}: architecture: open_clip cannot build {name}: {error!r}") from error
    if not isinstance(model.visual, ModifiedResNet):
        raise ConfigError(
            f"{_NAME}: architecture: {name} has no ResNet, whose position embedding could be left out; use "
            f"{CLIP_RESNET}, or the metric clip_iqa for another CLIP."
        )
    return model


METRICS = (
    Metric(
        name=_NAME,
        title="CLIP-IQA (RN50)",
        better="higher",
        needs="nothing",
        reads="RGB",
        smallest_side=32,  # the ResNet halves five times
        description="From bad photo (0) to good photo (1), by a ResNet at the image's own size, as in the paper; not "
        "to be compared with clip_iqa.",
        source="Wang et al. 2023",
        loader=_load,
    ),
)
