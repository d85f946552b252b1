"""What describes an image in words, and which model does."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from segsr_arch.errors import ConfigError

if TYPE_CHECKING:
    from segsr_arch.freezing import FrozenIdentity

PROMPT = (
    "Describe this aerial image in two short sentences. The first names land use, buildings, roads, vegetation and "
    "water. The second says how it looks: sharp or blurred, clear or hazy, clean or noisy."
)
"""What models are asked that can be asked."""
MOST_TOKENS = 128
"""Tokens of a description at most, those of the model's own tokenizer."""


class Captioner(Protocol):
    """A model that says what an image shows, the same of the same image each time."""

    @property
    def identity(self) -> "FrozenIdentity":
        """Whose weights it has."""

    @property
    def prompt(self) -> str | None:
        """What it is asked; ``None`` if it is asked nothing."""

    @property
    def most_tokens(self) -> int:
        """Length of a description at most."""

    def describe(self, image: np.ndarray) -> str:
        """Describe an image: (H, W, 3) RGB, uint8."""


def load_captioner(
    model: str,
    *,
    pretrained: str | None = None,
    prompt: str | None = None,
    most_tokens: int = MOST_TOKENS,
    cache_dir: str | None = None,
    device: str = "cpu",
) -> Captioner:
    """Load a model that describes images.

    Args:
        model: Folder or hub name of a model of transformers (any of ``AutoModelForImageTextToText``); or, with
            ``pretrained``, name or configuration file of a CoCa of open_clip.
        pretrained: Tag or file of a CoCa's weights.
        prompt: What it is asked; ``None`` for :data:`PROMPT`, where the model can be asked.
        most_tokens: Length of a description at most.
        cache_dir: Folder of downloads; ``None`` for that of Hugging Face.
        device: Where it computes.

    Raises:
        ConfigError: If there is no such model, it does not describe images, or it cannot be asked.
        WeightsError: If its weights cannot be had or read, or do not fit.
        DependencyError: If a package is missing.
    """
    if pretrained is None and not _is_of_open_clip(model):
        from segsr_arch.captions.transformers_captioner import load_transformers_captioner

        return load_transformers_captioner(
            model, prompt=prompt, most_tokens=most_tokens, cache_dir=cache_dir, device=device
        )
    from segsr_arch.captions.coca_captioner import load_coca

    if pretrained is None:
        raise ConfigError(f"--model {model}: a CoCa of open_clip needs --pretrained, a tag or a file of its weights.")
    if prompt is not None:
        raise ConfigError(f"--prompt: {model} is a CoCa, which cannot be asked; leave it out.")
    return load_coca(model, pretrained, most_tokens=most_tokens, cache_dir=cache_dir, device=device)


def _is_of_open_clip(model: str) -> bool:
    return not Path(model).is_dir() and (model.startswith("coca_") or Path(model).suffix in (".json", ".yml", ".yaml"))
