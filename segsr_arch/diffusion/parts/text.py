"""Captions as a UNet reads them: 77 tokens of CLIP's vocabulary, each as a vector."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, eq=False)
class Words:
    """What a UNet reads of B texts.

    Attributes:
        tokens: (B, 77, D), a vector for each token.
        pooled: (B, P), one for the text as a whole, if the UNet reads that.
    """

    tokens: Tensor
    pooled: Tensor | None = None

    def for_each(self, count: int) -> "Words":
        """The words of one text for so many images."""
        pooled = None if self.pooled is None else self.pooled.expand(count, -1)
        return Words(tokens=self.tokens.expand(count, -1, -1), pooled=pooled)

    def some(self, places: Tensor | slice) -> "Words":
        """Those of some texts, by their places."""
        pooled = None if self.pooled is None else self.pooled[places]
        return Words(tokens=self.tokens[places], pooled=pooled)

    def beside(self, others: "Words") -> "Words":
        """These texts, and others of the same kind behind them."""
        tokens = torch.cat([self.tokens, others.tokens])
        if self.pooled is None or others.pooled is None:
            return Words(tokens=tokens)
        return Words(tokens=tokens, pooled=torch.cat([self.pooled, others.pooled]))


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
    def forward(self, captions: Sequence[str]) -> Words:
        """Encode captions, those that stand for a difference of embeddings as one.

        Args:
            captions: B texts, see :func:`~segsr_arch.captions.change.embed_captions`; one that is empty stands for no
                text.

        Returns:
            Their words, on the device of the encoder.
        """
        return Words(tokens=embed_captions(self._encode, captions))

    def _encode(self, texts: Sequence[str]) -> Tensor:
        states: Tensor = self.encoder(_ids(self.encoder, texts, padding=self.padding)).last_hidden_state
        return states


class TwinTextConditioning(nn.Module):
    """The two text encoders of Stable Diffusion XL (Podell et al. 2023, section 2.1).

    The last hidden states but one of both stand side by side; the second encoder says the text as a whole, too.

    Args:
        encoder: ``CLIPTextModel`` of transformers.
        encoder_2: ``CLIPTextModelWithProjection`` of transformers.
        paddings: Token after the end of a text, of each.
        zero_silence: Whether no text is zero instead of what the encoders make of an empty one, as Stable Diffusion XL
            was trained.
    """

    def __init__(
        self,
        encoder: Any,
        encoder_2: Any,
        *,
        paddings: tuple[int, int] = (VOCABULARY - 1, 0),
        zero_silence: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.encoder_2 = encoder_2
        self.paddings = paddings
        self.zero_silence = zero_silence

    @property
    def width(self) -> int:
        """Channels of a token."""
        return int(self.encoder.config.hidden_size + self.encoder_2.config.hidden_size)

    @property
    def pooled_width(self) -> int:
        """Channels of a text as a whole."""
        return int(self.encoder_2.config.projection_dim)

    @torch.no_grad()
    def forward(self, captions: Sequence[str]) -> Words:
        """Encode captions; see :meth:`TextConditioning.forward`."""
        flat = embed_captions(self._encode, captions)
        tokens, pooled = flat[:, : -self.pooled_width], flat[:, -self.pooled_width :]
        return Words(tokens=tokens.reshape(len(flat), -1, self.width), pooled=pooled)

    def _encode(self, texts: Sequence[str]) -> Tensor:
        """Tokens and the whole of each text in a row, (N, 77 * width + pooled_width)."""
        states, whole = [], torch.zeros(())
        for encoder, padding in zip((self.encoder, self.encoder_2), self.paddings, strict=True):
            output = encoder(_ids(encoder, texts, padding=padding), output_hidden_states=True)
            states.append(output.hidden_states[-2])
            whole = output[0]  # of the second, the projection of the last token
        flat = torch.cat([torch.cat(states, dim=-1).flatten(1), whole], dim=1)
        if self.zero_silence:
            says = torch.tensor([bool(text) for text in texts], device=flat.device)
            flat = torch.where(says[:, None], flat, 0.0)
        return flat


def _ids(encoder: Any, texts: Sequence[str], *, padding: int) -> Tensor:
    length = encoder.config.max_position_embeddings
    ids = [token_ids(text, length=length, padding=padding) for text in texts]
    return torch.tensor(ids, device=encoder.device)
