"""Captions as a UNet reads them: 77 tokens of CLIP's vocabulary, each as a vector."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from segsr_arch.captions.budget import FittedText, TokenBudget, clip_tokenizer
from segsr_arch.captions.change import embed_captions, fit_caption
from segsr_arch.errors import ConfigError

VOCABULARY = 49408  # entries of CLIP's byte pair encoding; the last two begin and end a text

logger = logging.getLogger(__name__)


def token_ids(caption: str, *, length: int, padding: int) -> list[int]:
    """Encode a caption with CLIP's byte pair encoding, which open_clip brings.

    What is too long is cut at the end of a sentence or phrase, and said.

    Args:
        caption: Any text; an empty one says nothing.
        length: How many tokens the encoder reads, the first and the last included.
        padding: The token after the end.

    Returns:
        ``length`` ids.
    """
    fitted = TokenBudget(style="", limit=length).shorten(caption)
    say_left_out(fitted, length)
    ids = [VOCABULARY - 2, *clip_tokenizer().encode(fitted.text), VOCABULARY - 1]
    return ids + [padding] * (length - len(ids))


def say_left_out(fitted: FittedText, length: int) -> None:
    """Warn of what an encoder of that many tokens will not read."""
    if fitted.left_out:
        logger.warning("A caption is longer than %d tokens; left out: %s", length, " ".join(fitted.left_out))


def one_each(captions: Sequence[str] | None, count: int) -> list[str]:
    """One caption for each of so many images, empty ones for ``None``.

    Raises:
        ConfigError: If there are more or fewer.
    """
    listed = [""] * count if captions is None else list(captions)
    if len(listed) != count:
        raise ConfigError(
            f"captions: {len(listed)} for {count} images; give one for each, an empty one where there is none."
        )
    return listed


def styled(captions: list[str], texts: TokenBudget) -> list[str]:
    """Put the style words before captions, which are then as long as the text encoder reads."""
    if not texts.style:
        return captions
    fitted = [fit_caption(caption, texts) for caption in captions]
    for text in fitted:
        say_left_out(text, texts.limit)
    return [text.text for text in fitted]


class TextConditioning(nn.Module):
    """CLIP's text encoder up to its last hidden state.

    Args:
        encoder: ``CLIPTextModel`` of transformers.
        padding: Token after the end of a text: that of the end in Stable Diffusion 1, 0 in 2.
    """

    def __init__(self, encoder: Any, *, padding: int = VOCABULARY - 1) -> None:
        super().__init__()
        self.encoder = encoder
        self.padding = padding

    @property
    def width(self) -> int:
        """Channels of a token."""
        return int(self.encoder.config.hidden_size)

    @torch.no_grad()
    def forward(self, captions: Sequence[str]) -> Tensor:
        """Encode captions, those that stand for a difference of embeddings as one.

        Args:
            captions: B texts, see :func:`~segsr_arch.captions.change.embed_captions`; one that is empty stands for no
                text.

        Returns:
            (B, 77, width), on the device of the encoder.
        """
        return embed_captions(self._encode, captions)

    def _encode(self, texts: Sequence[str]) -> Tensor:
        length = self.encoder.config.max_position_embeddings
        ids = [token_ids(text, length=length, padding=self.padding) for text in texts]
        states: Tensor = self.encoder(torch.tensor(ids, device=self.encoder.device)).last_hidden_state
        return states
