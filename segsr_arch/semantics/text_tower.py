"""The text tower of a vision-language model: from sentences to embeddings in the joint space.

Only explanations need it; a network is trained and run without.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import open_clip
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsr_arch.errors import ConfigError, DependencyError, WeightsError
from segsr_arch.freezing import FrozenIdentity, state_digest
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.vision_tower import model_config, resolve_configuration
from segsr_arch.semantics.vision_weights import (
    find_weights,
    load_tower,
    read_model,
    require_network,
    text_part,
    visual_part,
)
from segsr_arch.weights.random_weights import fill_portably

# Only the text tower is used, so the vision tower is built as small as open_clip allows and dropped at once.
_SMALLEST_VISION_TOWER = {"image_size": 8, "patch_size": 8, "width": 8, "head_width": 8, "layers": 1}
_BATCH = 64
_EXAMPLE = "text_cfg: {context_length: 77, vocab_size: 49408, width: 128, heads: 4, layers: 2}"


class TextTower(nn.Module):
    """Text tower with its tokenizer.

    Args:
        model: open_clip model, of which the text tower is used.
        tokenizer: open_clip tokenizer that belongs to it.
        description: Name of the model, for messages.
    """

    def __init__(self, *, model: open_clip.CLIP, tokenizer: Callable[..., Tensor], description: str) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self.description = description

    def _count_tokens(self, text: str) -> int:
        tokenizer: Any = self.tokenizer
        if isinstance(tokenizer, open_clip.SimpleTokenizer):
            return len(tokenizer.encode(text)) + 2  # with start and end
        return len(tokenizer.tokenizer(text)["input_ids"])

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Tensor:
        """Embed sentences.

        Args:
            texts: N sentences.

        Returns:
            Embeddings (N, C) of unit length in the joint space, on the device of the weights.

        Raises:
            ConfigError: If a sentence is longer than the model reads, or the model does not know the tokens.
        """
        model = self.model
        for text in texts:
            count = self._count_tokens(text)
            if count > model.context_length:
                raise ConfigError(
                    f"{text!r} is {count} tokens long, but {self.description} reads {model.context_length} at most; "
                    f"shorten the term or the template."
                )
        tokens = self.tokenizer(list(texts), context_length=model.context_length)
        if int(tokens.max()) >= model.vocab_size:
            raise ConfigError(
                f"semantics: vlm: {self.description}: text_cfg: vocab_size is {model.vocab_size}, but the tokenizer "
                f"gives token {int(tokens.max())}; CLIP's own vocabulary has 49408 entries."
            )
        tokens = tokens.to(model.token_embedding.weight.device)
        batches = torch.split(tokens, _BATCH)
        return torch.cat([F.normalize(model.encode_text(batch).float(), dim=-1) for batch in batches])


def _text_configuration(name: str, architecture: Mapping[str, Any], is_random: bool) -> Mapping[str, Any]:
    text_cfg = architecture.get("text_cfg")
    if not isinstance(text_cfg, Mapping):
        vain = " Its weights are random, so the words will mean nothing either way." if is_random else ""
        raise ConfigError(
            f"semantics: vlm: {name}: its configuration has no text_cfg, so there is no text tower whose words could "
            f"be compared with what the units see. Add the text_cfg of the model beside its vision_cfg, for instance "
            f"{_EXAMPLE}; the vision tower, its digest and the checkpoint stay as they are.{vain}"
        )
    if text_cfg.get("hf_model_name"):
        raise ConfigError(
            f"semantics: vlm: {name}: its text tower is the Hugging Face model {text_cfg['hf_model_name']}, which is "
            f"not supported here; explanations need a text tower of open_clip's own, as in ViT-B-16-quickgelu."
        )
    return text_cfg


def _build_model(name: str, architecture: Mapping[str, Any], text_cfg: Mapping[str, Any]) -> open_clip.CLIP:
    try:
        with torch.random.fork_rng(devices=[]):  # these draws are overwritten; the caller's stream must not move
            model = open_clip.CLIP(
                embed_dim=architecture["embed_dim"],
                vision_cfg=dict(_SMALLEST_VISION_TOWER),
                text_cfg=dict(text_cfg),
                quick_gelu=bool(architecture.get("quick_gelu", False)),
            )
    except (TypeError, ValueError, AssertionError, ZeroDivisionError, RuntimeError) as error:
        raise ConfigError(f"semantics: vlm: {name}: open_clip cannot build this text_cfg: {error}") from error
    model.visual = nn.Identity()
    return model


def _find_tokenizer(name: str, text_cfg: Mapping[str, Any], cache_dir: str | None) -> Any:
    """Build the tokenizer of a configuration; CLIP's own comes with open_clip, others from the Hugging Face hub."""
    options = dict(text_cfg.get("tokenizer_kwargs") or {})
    length = text_cfg.get("context_length", 77)
    repository = text_cfg.get("hf_tokenizer_name")
    if not repository:
        return open_clip.SimpleTokenizer(context_length=length, **options)
    try:
        import transformers  # noqa: F401, open_clip imports it, but would not say how to get it
    except ImportError as error:
        raise DependencyError(
            f"The tokenizer {repository} of {name} needs transformers: pip install transformers sentencepiece"
        ) from error
    cached = huggingface_hub.try_to_load_from_cache(repository, "tokenizer_config.json", cache_dir=cache_dir)
    here = isinstance(cached, str) or Path(repository).is_dir()
    try:
        if not here:
            require_network({"hf_hub": repository})
        return open_clip.tokenizer.HFTokenizer(
            repository, context_length=length, cache_dir=cache_dir, local_files_only=here, **options
        )
    except Exception as error:  # whatever the network, the hub client or the tokenizer's files raise: one remedy
        raise WeightsError(
            f"The tokenizer {repository} of {name} could not be had ({type(error).__name__}: {str(error)[:200]}). On a "
            f'machine with a network, run: python -c "import transformers; '
            f"transformers.AutoTokenizer.from_pretrained('{repository}')\" and copy its cache here."
        ) from error


def _load_text_weights(model: open_clip.CLIP, path: Path, name: str, beside: FrozenIdentity) -> None:
    state = read_model(path)
    words = text_part(state)
    if not words:
        raise WeightsError(
            f"{path}: holds a vision tower alone. Explanations need the text tower of the same model: give the state "
            f"dict of the whole model (names visual.*, transformer.*, token_embedding.weight, ...) as semantics: "
            f"pretrained; the checkpoint fits it as long as its vision tower is the same."
        )
    digest = state_digest(visual_part(state))
    if digest != beside.digest:
        raise WeightsError(
            f"{path}: its vision tower (digest {digest[:12]}) is not that of the network, {beside}. Words and images "
            f"can only be compared within one model: give the file that the network was trained with."
        )
    # The factors of the training loss stay the model's own: they say nothing about an embedding.
    factors = {key: value for key, value in model.state_dict().items() if key in ("logit_scale", "logit_bias")}
    load_tower(model, words | factors, path=path, description=f"the text tower of {name}")


def _draw_text_weights(model: open_clip.CLIP, seed: int) -> None:
    # Another stream than the vision tower's: equal numbers in both would make words and images alike by accident.
    fill_portably(
        model,
        np.random.PCG64((seed, 1)),
        width=model.positional_embedding.shape[1],
        embeddings=("positional_embedding", "text_projection"),
    )


def build_text_tower(config: SemanticsConfig, *, beside: FrozenIdentity) -> TextTower:
    """Build the text tower of the model that the options name; load its weights or, if the model's are, draw them.

    Args:
        config: ``vlm``, ``pretrained``, ``random_seed`` and ``cache_dir`` are read.
        beside: Identity of the vision tower whose features the words are to be compared with.

    Returns:
        The tower, float32, frozen, in evaluation mode, on the CPU.

    Raises:
        ConfigError: If the model is not known, or has no text tower that open_clip can build.
        WeightsError: If weights or tokenizer cannot be had, read, or do not fit, or belong to another vision tower.
        DependencyError: If the tokenizer needs a package that is missing.
    """
    name, tag_owner, content = resolve_configuration(config.vlm)
    architecture = model_config(content)
    text_cfg = _text_configuration(name, architecture, is_random=config.pretrained is None)
    tokenizer = _find_tokenizer(name, text_cfg, config.cache_dir)
    model = _build_model(name, architecture, text_cfg)
    if config.pretrained is None:
        _draw_text_weights(model, config.random_seed)
    else:
        path = find_weights(tag_owner, config.pretrained, config.cache_dir)
        _load_text_weights(model, path, name, beside)
    return TextTower(model=model, tokenizer=tokenizer, description=name).eval().requires_grad_(False)
