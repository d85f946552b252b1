"""Weights of a vision tower: found by tag or file, read safely, checked against the architecture, or random."""

import logging
import os
import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import huggingface_hub
import numpy as np
import open_clip
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from segsr_arch.errors import WeightsError
from segsr_arch.known_names import close_matches
from segsr_arch.replacing import replaced
from segsr_arch.running.progress import bar_for_others
from segsr_arch.weights.layouts import to_open_clip
from segsr_arch.weights.network_weights import load_strictly
from segsr_arch.weights.random_weights import fill_portably
from segsr_arch.weights.reading import read_state_dict

logger = logging.getLogger(__name__)

_VISUAL_PREFIX = "visual."
_TEXT_PREFIX = "text."  # of open_clip's models with a text tower as a module of its own
# Factors of the training loss, and numbers that OpenAI's archives hold beside the weights.
_OF_NEITHER_TOWER = {"logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size"}
_CONNECT_SECONDS = 5


def find_weights(
    model_name: str | None,
    pretrained: str,
    cache_dir: str | None,
    *,
    option: str = "semantics: pretrained",
    cache_option: str = "semantics: cache_dir",
    choices: str = "a tag, the path of a weights file, or null for random weights",
) -> Path:
    """Find the weights file for a tag or a path, downloading a tag's file once where there is a network.

    Args:
        model_name: open_clip model name; ``None`` for an architecture of one's own, which has no tags.
        pretrained: Tag known to open_clip for this model, or the path of a file.
        cache_dir: Folder of downloads; ``None`` for open_clip's own.
        option: What ``pretrained`` was given as, for messages.
        cache_option: What ``cache_dir`` is given as.
        choices: What may be given.

    Returns:
        Path of the file.

    Raises:
        WeightsError: If it is neither a file nor a tag of this model, or the tag's file cannot be fetched.
    """
    path = Path(pretrained).expanduser()
    if path.is_file():
        return path
    tags = open_clip.list_pretrained_tags_by_model(model_name) if model_name else []
    tag_config = open_clip.get_pretrained_cfg(model_name, pretrained) if model_name else None
    if not tag_config:
        near = close_matches(pretrained, tags, most=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise WeightsError(
            f"{option}: {pretrained!r} is neither a file nor a weights tag of "
            f"{model_name or 'this configuration'} (tags: {', '.join(tags) or 'none'}).{hint} "
            f"Give {choices}."
        )
    cached = _cached_weights(tag_config, cache_dir)
    if cached is not None:
        return cached
    try:
        require_network(tag_config)
        with replaced(open_clip.pretrained, "tqdm", bar_for_others):
            return Path(open_clip.download_pretrained(tag_config, cache_dir=cache_dir))
    except Exception as error:  # whatever the network, the hub client or the disk raises: the remedy is the same
        raise WeightsError(
            f"{option}: the weights {pretrained!r} of {model_name} could not be fetched "
            f"({type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else 'no message'}). "
            f"On a machine with a network, run: python -c \"import open_clip; open_clip.create_model('{model_name}', "
            f"pretrained='{pretrained}')\" and copy its cache here ({cache_option}), or place any open_clip "
            f"state dict of this model (.pt, .pth, .bin or .safetensors) on this machine and give its path as "
            f"{option}."
        ) from error


def _cached_weights(tag_config: Mapping[str, str], cache_dir: str | None) -> Path | None:
    """A tag's file if an earlier run has fetched it; without asking the hub, which retries for long when offline."""
    repository, filename = os.path.split(tag_config.get("hf_hub", ""))
    if not repository:
        return None
    default_names = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    for name in (filename,) if filename else default_names:
        path = huggingface_hub.try_to_load_from_cache(repository, name, cache_dir=cache_dir)
        if isinstance(path, str):
            return Path(path)
    return None


def require_network(tag_config: Mapping[str, str]) -> None:
    """Raise OSError at once where the source of a tag cannot be reached; behind a proxy there is nothing to probe.

    Args:
        tag_config: Holds ``hf_hub`` (any value) for what the hub has, else ``url``.
    """
    if urllib.request.getproxies():
        return
    address = urlsplit(huggingface_hub.constants.ENDPOINT if tag_config.get("hf_hub") else tag_config["url"])
    port = address.port or (443 if address.scheme == "https" else 80)
    socket.create_connection((address.hostname, port), timeout=_CONNECT_SECONDS).close()


def read_model(path: Path) -> dict[str, Tensor]:
    """Read the weights of a vision-language model, or of its vision tower, under open_clip's names.

    Args:
        path: A file that open_clip, or transformers for a CLIP, has written.

    Returns:
        Weights by name.

    Raises:
        WeightsError: If it cannot be read, or holds no weights.
    """
    return to_open_clip(read_state_dict(path)[0])


def visual_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the vision tower out of the state dict of a whole model; one of the tower alone comes back as it is."""
    part = {name.removeprefix(_VISUAL_PREFIX): value for name, value in state.items() if _is_visual(name)}
    return part or dict(state)


def text_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take the text tower out of the state dict of a whole model; empty if the file holds a vision tower alone."""
    if not any(_is_visual(name) for name in state):
        return {}
    return {
        name.removeprefix(_TEXT_PREFIX): value
        for name, value in state.items()
        if not _is_visual(name) and name not in _OF_NEITHER_TOWER
    }


def _is_visual(name: str) -> bool:
    return name.startswith(_VISUAL_PREFIX)


def load_tower(tower: nn.Module, state: Mapping[str, Tensor], *, path: Path, description: str) -> nn.Module:
    """Load a tower's weights strictly, in place, and return it.

    Args:
        tower: The tower.
        state: Its weights by name.
        path: Where they come from, for messages.
        description: Name of the architecture, for messages.

    Raises:
        WeightsError: If names or shapes differ: the file belongs to another architecture.
    """
    misfit = f"{path}: its weights belong to another architecture than {description}"
    remedy = "Set semantics: vlm: to the model that the file was made for."
    return load_strictly(tower, state, misfit=misfit, remedy=remedy)


def load_visual_weights(visual: nn.Module, path: Path, description: str) -> nn.Module:
    """Load the vision tower's part of a state dict strictly, in place.

    Args:
        visual: open_clip vision tower, float32.
        path: Weights file of a whole model (names begin with ``visual.``) or of the tower alone.
        description: Name of the architecture, for messages.

    Returns:
        The tower, changed.

    Raises:
        WeightsError: If names or shapes differ: the file belongs to another architecture.
    """
    return load_tower(visual, visual_part(read_model(path)), path=path, description=description)


def draw_random_weights(visual: VisionTransformer, seed: int) -> nn.Module:
    """Fill a tower in place with random weights that are the same on every machine.

    See :func:`~segsr_arch.weights.random_weights.fill_portably`.

    Args:
        visual: open_clip vision tower.
        seed: Seed of the stream.

    Returns:
        The tower, changed.
    """
    logger.warning(
        "The vision-language model has RANDOM weights (semantics: pretrained: null, random_seed %d): "
        "its guidance carries no semantic knowledge.",
        seed,
    )
    embeddings = ("class_embedding", "positional_embedding", "proj")
    return fill_portably(
        visual, np.random.PCG64(seed), width=visual.positional_embedding.shape[1], embeddings=embeddings
    )
