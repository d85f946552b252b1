"""open_clip's CoCa as captioner, with a greedy loop over its logits.

``CoCa.generate`` of open_clip needs a class that transformers 5 no longer has, so tokens are chosen here: the likeliest
one each time, which gives the same caption each time.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.coca_model import CoCa
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.errors import ConfigError
from segsr_arch.freezing import FrozenIdentity, state_digest
from segsr_arch.semantics.vision_tower import model_config, resolve_configuration
from segsr_arch.semantics.vision_weights import find_weights
from segsr_arch.weights.network_weights import load_strictly
from segsr_arch.weights.reading import read_state_dict

_PARTS = ("embed_dim", "vision_cfg", "text_cfg", "multimodal_cfg")
_SPACE_BEFORE_MARK = re.compile(r"\s+([.,;:!?])")  # CLIP's encoding gives spaces back that were not there


class CocaCaptioner:
    """A CoCa that describes images.

    Args:
        model: The CoCa, in evaluation mode.
        identity: Whose its weights are.
        mean: Per-channel mean (R, G, B) that it expects to be subtracted, for values in [0, 1].
        std: Per-channel standard deviation to divide by.
        most_tokens: Length of a description at most; the model's own limit holds besides.
    """

    prompt = None

    def __init__(
        self,
        *,
        model: CoCa,
        identity: FrozenIdentity,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        most_tokens: int,
    ) -> None:
        self.model = model
        self.identity = identity
        self.mean = torch.tensor(mean).view(1, 3, 1, 1)
        self.std = torch.tensor(std).view(1, 3, 1, 1)
        self.most_tokens = min(most_tokens, model.context_length - 2)  # start and end stand beside what is said
        self.tokenizer = open_clip.SimpleTokenizer()

    def describe(self, image: np.ndarray) -> str:
        """Describe an image: (H, W, 3) RGB, uint8. It is seen whole, at the size that the model was trained with."""
        ids = self._choose_tokens(self._prepared(image))
        return _SPACE_BEFORE_MARK.sub(r"\1", self.tokenizer.decode(ids)).strip()

    def _prepared(self, image: np.ndarray) -> Tensor:
        size = self.model.visual.image_size
        size = (size, size) if isinstance(size, int) else tuple(size)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
        pixels = F.interpolate(pixels, size, mode="bicubic", antialias=True).clamp(0, 1)
        return ((pixels - self.mean) / self.std).to(self.model.logit_scale.device)

    @torch.no_grad()
    def _choose_tokens(self, pixels: Tensor) -> list[int]:
        """Choose the likeliest token again and again; returns those between start and end."""
        seen = self.model(pixels)
        ids = [self.tokenizer.sot_token_id]
        while len(ids) <= self.most_tokens:
            logits = self.model(
                pixels,
                torch.tensor([ids], device=pixels.device),
                image_latent=seen["image_features"],
                image_embs=seen["image_embs"],
                output_labels=False,
            )["logits"]
            token = int(logits[0, -1].argmax())
            if token == self.tokenizer.eot_token_id:
                break
            ids.append(token)
        return ids[1:]


def load_coca(
    name: str, pretrained: str, *, most_tokens: int, cache_dir: str | None = None, device: str = "cpu"
) -> CocaCaptioner:
    """Load a CoCa of open_clip.

    Args:
        name: open_clip name (``coca_ViT-B-32``, ``coca_ViT-L-14``), or a .json or .yml configuration.
        pretrained: Tag or file of its weights; those that were fine-tuned on MSCOCO write sentences.
        most_tokens: Length of a description at most.
        cache_dir: Folder of downloads; ``None`` for open_clip's own.
        device: Where it computes.

    Raises:
        ConfigError: If the model is not known or is no CoCa.
        WeightsError: If the weights cannot be had, read, or do not fit.
    """
    name, tag_owner, content = resolve_configuration(name, option="--model")
    architecture = model_config(content)
    _check(name, architecture)
    path = find_weights(
        tag_owner,
        pretrained,
        cache_dir,
        option="--pretrained",
        cache_option="--cache-dir",
        choices="a tag or the path of a weights file",
    )
    model = _build(name, architecture)
    misfit = f"{path}: its weights belong to another architecture than {name}"
    load_strictly(model, read_state_dict(path)[0], misfit=misfit, remedy="Give the --model that the file was made for.")
    preprocessing = content.get("preprocess_cfg") or {}
    if tag_owner:
        preprocessing = open_clip.get_pretrained_cfg(tag_owner, pretrained) or preprocessing
    source = pretrained if str(path) != pretrained else path.name
    return CocaCaptioner(
        model=model.to(device),
        identity=FrozenIdentity(name=name, source=source, digest=state_digest(model.state_dict())),
        mean=tuple(preprocessing.get("mean") or open_clip.OPENAI_DATASET_MEAN),
        std=tuple(preprocessing.get("std") or open_clip.OPENAI_DATASET_STD),
        most_tokens=most_tokens,
    )


def _check(name: str, architecture: Mapping[str, Any]) -> None:
    missing = [part for part in _PARTS if part not in architecture]
    if missing:
        known = ", ".join(model for model in open_clip.list_models() if model.startswith("coca_ViT"))
        raise ConfigError(
            f"--model {name}: is no CoCa, for its configuration has no {missing[0]}; those of open_clip are {known}."
        )
    if architecture["text_cfg"].get("hf_model_name") or architecture["text_cfg"].get("hf_tokenizer_name"):
        raise ConfigError(
            f"--model {name}: its text tower is one of Hugging Face, which is not supported here; use coca_ViT-B-32 or "
            f"coca_ViT-L-14."
        )


def _build(name: str, architecture: Mapping[str, Any]) -> CoCa:
    try:
        model = CoCa(**{part: architecture[part] for part in _PARTS}, quick_gelu=bool(architecture.get("quick_gelu")))
    except (TypeError, ValueError, AssertionError, ZeroDivisionError, RuntimeError) as error:
        raise ConfigError(f"--model {name}: open_clip cannot build it: {error}") from error
    return model.eval().requires_grad_(False)
