"""The change caption: what would have to change in an LR image to become its HR image, as text or between embeddings.

MSSD is guided by what a multimodal model sees differently in the two images. As text: "from hazy, blurred roofs to
sharp roofs, a river". As a difference of embeddings: the two descriptions, divided by :data:`ARROW`, are embedded
apart. At test time there is no HR image; then :func:`restored` says what the LR image would be without its degradation.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from segsr_arch.captions.budget import FittedText, TokenBudget, cut_words, phrases_of, sentences_of

if TYPE_CHECKING:
    from torch import Tensor

Difference = Literal["text", "embedding"]
DIFFERENCES: tuple[Difference, ...] = ("text", "embedding")

ARROW = " => "
"""Divides the description of the LR image from that of the HR image where their embeddings are to be subtracted."""

# What descriptions say of a degraded image, and what the text says of the image that is wanted ("blurry" becomes
# "clear", "noisy" becomes "clean" in MSSD).
_OPPOSITES = {
    "blurry": "clear",
    "blurred": "clear",
    "fuzzy": "clear",
    "hazy": "clear",
    "foggy": "clear",
    "misty": "clear",
    "unclear": "clear",
    "indistinct": "distinct",
    "unsharp": "sharp",
    "smeared": "sharp",
    "out of focus": "in focus",
    "out-of-focus": "in-focus",
    "noisy": "clean",
    "grainy": "clean",
    "pixelated": "detailed",
    "low-resolution": "high-resolution",
    "low resolution": "high resolution",
    "low-quality": "high-quality",
    "low quality": "high quality",
    "with noise": "without noise",
    "with blur": "without blur",
    "with haze": "without haze",
}
_DEGRADED = re.compile(
    rf"\b(?:(?P<article>an?)(?P<gap>\s+))?(?P<word>{'|'.join(sorted(_OPPOSITES, key=len, reverse=True))})\b",
    re.IGNORECASE,
)


def restored(description: str) -> str:
    """Say of an LR image what it would be without its degradation: words of poor quality become their opposites.

    Args:
        description: What a model says of the LR image.

    Returns:
        The description with "clear" for "blurry", "clean" for "noisy" and the like; the same if it has no such word.
    """
    return _DEGRADED.sub(_opposite, description)


def _opposite(match: re.Match[str]) -> str:
    word = _OPPOSITES[match["word"].lower()]
    if match["word"][0].isupper():
        word = word.capitalize()
    if match["article"] is None:
        return word
    article = match["article"][0] + ("n" if word[0].lower() in "aeiou" else "")
    return f"{article}{match['gap']}{word}"


def change_caption(lq: str, gt: str | None, *, difference: Difference, budget: TokenBudget) -> FittedText:
    """Make the caption of an image of its descriptions.

    Args:
        lq: Description of the LR image.
        gt: Description of the HR image; ``None`` where there is none: then :func:`restored` is taken for it and, if
            nothing is to be restored, the caption is the LR image's description.
        difference: ``text`` for "from ... to ...", ``embedding`` for both descriptions on either side of :data:`ARROW`.
        budget: Of the text encoder; room for its style words is left.

    Returns:
        The caption without style words, and the phrases that had no room.
    """
    after = restored(lq) if gt is None else gt
    if gt is None and after == lq:
        return budget.shorten(lq.replace(ARROW.strip(), "to"))
    if difference == "text":
        return _change_text(_phrases(lq), _phrases(after), budget)
    sides = [budget.shorten(side.replace(ARROW.strip(), "to")) for side in (lq, after)]
    return FittedText(text=ARROW.join(side.text for side in sides), left_out=sides[0].left_out + sides[1].left_out)


def _phrases(description: str) -> list[str]:
    """Phrases of a description, without their punctuation, a word that began a sentence in small letters."""
    sentences = sentences_of(" ".join(description.split()))
    phrases = [phrase.strip(" ,;:.!?") for sentence in sentences for phrase in phrases_of(sentence)]
    return [
        phrase[0].lower() + phrase[1:] if phrase[1:2].islower() or phrase[1:2] == " " else phrase
        for phrase in phrases
        if phrase
    ]


def _change_text(before: Sequence[str], after: Sequence[str], budget: TokenBudget) -> FittedText:
    """Tell what changes first, the LR and the HR image's share in turn, and then what both have in common."""
    seen = {phrase.lower() for phrase in before}
    kept = {phrase.lower() for phrase in after} & seen
    groups = {
        "after": [phrase for phrase in after if phrase.lower() not in kept],
        "before": [phrase for phrase in before if phrase.lower() not in kept],
        "common": [phrase for phrase in after if phrase.lower() in kept],
    }
    left_out: list[str] = []
    for phrases in groups.values():
        for place, phrase in enumerate(phrases):
            phrases[place], rest = cut_words(phrase, lambda text: budget.reads(f"from {text} to {text}"))
            left_out += [rest] if rest else []
    chosen: dict[str, list[str]] = {name: [] for name in groups}
    full = set()
    turns = max(len(groups["before"]), len(groups["after"]))
    order = [(name, place) for place in range(turns) for name in ("after", "before")]
    for name, place in [*order, *(("common", place) for place in range(len(groups["common"])))]:
        if place >= len(groups[name]):
            continue
        phrase = groups[name][place]
        longer = {**chosen, name: [*chosen[name], phrase]}
        if name not in full and budget.reads(_assembled(**longer)):
            chosen = longer
        else:
            full.add(name)  # a phrase that stands behind one that is missing may need it to be understood
            left_out.append(phrase)
    return FittedText(text=_assembled(**chosen), left_out=tuple(left_out))


def _assembled(*, before: Sequence[str], after: Sequence[str], common: Sequence[str]) -> str:
    if before and after:
        change = f"from {', '.join(before)} to {', '.join(after)}"
        return ", ".join([change, *common])
    if before and common:  # the HR image's description has nothing that the other has not
        return f"from {', '.join([*before, *common])} to {', '.join(common)}"
    return ", ".join([*after, *common, *before])


def fit_caption(caption: str, budget: TokenBudget) -> FittedText:
    """Cut a caption of either kind to what a text encoder reads, with the style words in it.

    Args:
        caption: A caption. In one that stands for a difference of embeddings both sides are cut, and the style words
            belong to what is wanted, so they stand before the description of the HR image.
        budget: Of the text encoder.
    """
    before, arrow, after = caption.rpartition(ARROW)
    start, end = budget.shorten(before), budget.fit(after)
    return FittedText(text=f"{start.text}{arrow}{end.text}", left_out=start.left_out + end.left_out)


def embed_captions(encode: "Callable[[list[str]], Tensor]", captions: Sequence[str]) -> "Tensor":
    """Embed captions of either kind.

    A difference of embeddings is E(after) - E(before) + E(""): what changes nothing is embedded as no text is, which
    guidance subtracts.

    Args:
        encode: Text encoder: N texts to (N, tokens, C) or (N, C).
        captions: N captions; one that is empty stands for no text.

    Returns:
        Embeddings as ``encode`` gives them.
    """
    embeddings = encode([caption.rpartition(ARROW)[2] for caption in captions])
    places = [place for place, caption in enumerate(captions) if ARROW in caption]
    if places:
        *before, nothing = encode([*(captions[place].partition(ARROW)[0] for place in places), ""])
        embeddings = embeddings.clone()
        for place, embedding in zip(places, before, strict=True):
            embeddings[place] += nothing - embedding
    return embeddings
