"""The budget of a text encoder: 77 tokens of CLIP, the style words first, then whole sentences and phrases.

A text encoder drops what is beyond its length without a word, and style words stand last as a rule. Here they stand
first and are never cut; of the caption as many whole sentences follow as there is room for, then as many phrases of the
next one, and what was left out is said.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

from segsr_arch.errors import ConfigError

if TYPE_CHECKING:
    import open_clip  # which takes seconds: arguments of commands need the style words alone

LIMIT = 77
"""Tokens that CLIP's text encoders read, those of start and end among them."""
STYLE = "clean, high-resolution, 8k"
"""Style words of MSSD, which say what is wanted of the output whatever the image shows."""

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_PHRASE_END = re.compile(r"(?<=[,;:])\s+")

TokenCount = Callable[[str], int]


@cache
def clip_tokenizer() -> "open_clip.SimpleTokenizer":
    """CLIP's byte-pair encoding, which open_clip brings."""
    import open_clip

    return open_clip.SimpleTokenizer()


def clip_tokens(text: str) -> int:
    """Count the tokens of CLIP's byte-pair encoding for a text, those of start and end among them."""
    return len(clip_tokenizer().encode(text)) + 2


@dataclass(frozen=True, kw_only=True)
class FittedText:
    """A text that a text encoder reads whole.

    Attributes:
        text: The text.
        left_out: What there was no room for: sentences and phrases in their order.
    """

    text: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TokenBudget:
    """How much a text encoder reads, and the style words that must be in it.

    Attributes:
        style: Style words, which stand first; empty for none.
        limit: Tokens that the encoder reads, those of start and end among them.
        count: Counts the tokens of a text, those of start and end among them.

    Raises:
        ConfigError: If the style words alone are too long.
    """

    style: str = STYLE
    limit: int = LIMIT
    count: TokenCount = clip_tokens

    def __post_init__(self) -> None:
        if not self.reads(""):
            raise ConfigError(
                f"the style words {self.style!r:.80} are {self.count(self.style)} tokens long, but the text encoder "
                f"reads {self.limit}; shorten them."
            )

    def reads(self, caption: str) -> bool:
        """Whether a caption fits behind the style words."""
        return self.count(self._styled(caption)) <= self.limit

    def fit(self, caption: str) -> FittedText:
        """Put the style words before a caption, and as much of this as the encoder reads.

        Args:
            caption: Any text, of any length.

        Returns:
            The style words and the caption, on one line. Of a caption that is too long there are the first whole
            sentences, then the first phrases (up to a comma, semicolon or colon) of the next one; words of the first
            phrase only if not even that fits, and letters of the first word only if not even that does.
        """
        fitted = self.shorten(caption)
        return FittedText(text=self._styled(fitted.text), left_out=fitted.left_out)

    def shorten(self, caption: str) -> FittedText:
        """Cut a caption as :meth:`fit` does, without the style words in the result: room is left for them."""
        caption = " ".join(caption.split())
        kept, rest = _longest(sentences_of(caption), self.reads)
        if not rest:
            return FittedText(text=kept)
        phrases, later = _longest(phrases_of(rest[0]), lambda text: self.reads(_joined(kept, text)))
        kept, later = _joined(kept, phrases), [*later, *rest[1:]]
        if not kept:
            kept, lost = cut_words(later[0], self.reads)
            later = [lost, *later[1:]]
        return FittedText(text=kept.rstrip(",;: "), left_out=tuple(text.rstrip(",;: ") for text in later))

    def _styled(self, caption: str) -> str:
        return ", ".join(filter(None, (self.style, caption)))


def sentences_of(text: str) -> list[str]:
    """Split a text after full stops, exclamation and question marks that a space follows."""
    return _SENTENCE_END.split(text)


def phrases_of(sentence: str) -> list[str]:
    """Split a sentence after commas, semicolons and colons that a space follows."""
    return _PHRASE_END.split(sentence)


def cut_words(phrase: str, fits: Callable[[str], bool]) -> tuple[str, str]:
    """Cut a phrase between words: the longest beginning that fits, and the rest.

    The first word is cut itself where not even that fits: languages without spaces have no other.
    """
    kept, rest = _longest(phrase.split(" "), fits)
    if not kept and rest:
        word = rest[0]
        length = next(count for count in range(len(word)) if not fits(word[: count + 1]))
        kept, rest[0] = word[:length], word[length:]
    return kept, " ".join(rest)


def _joined(*texts: str) -> str:
    return " ".join(filter(None, texts))


def _longest(parts: list[str], fits: Callable[[str], bool]) -> tuple[str, list[str]]:
    """Join the first parts, as many as fit; returns them and those that do not."""
    kept, count = "", 0
    for text in accumulate(parts, _joined):
        if not fits(text):
            break
        kept, count = text, count + 1
    return kept, parts[count:]
