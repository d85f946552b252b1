"""Captions for many images: descriptions by a model, kept as they are made, and taken again if nothing has changed."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from segsr_arch.captions.budget import TokenBudget
from segsr_arch.captions.captioner import Captioner
from segsr_arch.captions.change import ARROW, Difference, change_caption
from segsr_arch.captions.files import CaptionRecord, read_records, write_records
from segsr_arch.errors import DataError
from segsr_arch.files.locking import locked
from segsr_arch.images.conversion import Conversion
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.reading import read_rgb
from segsr_arch.running.progress import progress

SAVE_SECONDS = 10.0
"""Most of the work that a killed process loses."""
RULES: dict[tuple[Difference, bool], str] = {
    ("text", True): "text: from LR to HR",
    ("text", False): "text: from LR to LR with words of poor quality turned into their opposites",
    ("embedding", True): "embedding: HR minus LR",
    ("embedding", False): "embedding: LR with words of poor quality turned into their opposites, minus LR",
}
"""How a caption is made, by the kind of difference and whether there is an HR image."""


class EncodedImage(Protocol):
    """An image that is read when it is needed; ``str()`` names it."""

    @property
    def conversion(self) -> Conversion:
        """How it becomes RGB, where it is not."""

    def read_bytes(self) -> bytes:
        """Read it as it is stored."""


@dataclass(frozen=True, kw_only=True)
class ImagePair:
    """What a caption is made of.

    Attributes:
        name: Name of the image, as data sets have it.
        lq: The LR image.
        gt: The HR image, if there is one.
    """

    name: str
    lq: EncodedImage
    gt: EncodedImage | None = None


@dataclass(kw_only=True)
class CaptionOutcome:
    """What came of it.

    Attributes:
        made: Images that a model has described now.
        kept: Those whose descriptions were there.
        by_hand: Those whose captions were written by hand and are left alone.
        others: Captions in the file of images that this run is not about; they stay.
        cut: Names of images whose captions had no room for all that was said.
        problems: Images that have got no caption, a sentence each.
    """

    made: int = 0
    kept: int = 0
    by_hand: int = 0
    others: int = 0
    cut: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def caption_images(
    pairs: Sequence[ImagePair],
    load: Callable[[], Captioner],
    path: Path,
    *,
    difference: Difference,
    budget: TokenBudget,
    overwrite: bool = False,
) -> CaptionOutcome:
    """Write the captions of images to a file, going on with it if it is there.

    Descriptions that the same model gave of the same bytes are kept; captions are made of them anew, so that another
    kind of difference or another budget costs nothing. The file is whole at any time.

    Args:
        pairs: The images.
        load: Loads what describes them; called once the file has been read, and before any image is.
        path: The caption file; its folder must exist.
        difference: See :func:`~segsr_arch.captions.change.change_caption`.
        budget: Of the text encoder that is to read the captions.
        overwrite: Whether captions by hand, by another model or of other bytes are replaced instead of kept.

    Returns:
        What was done.

    Raises:
        DataError: If the file is none of captions, or was made with other settings; or no image could be described.
        InUseError: If another process writes the file.
        SaveError: If it cannot be written.
    """
    with locked(path):
        records = read_records(path) if path.exists() else {}
        captioner = load()
        if not overwrite:
            _check_settings(pairs, records, captioner, path)
        outcome = CaptionOutcome(others=len(records.keys() - {pair.name for pair in pairs}))
        written = dict(records)
        saved_at = time.monotonic()
        try:
            for pair in progress(pairs, unit="image", what="caption"):
                earlier = records.get(pair.name)
                if earlier is not None and earlier.is_by_hand and not overwrite:
                    outcome.by_hand += 1
                    continue
                try:
                    described = _described(pair, earlier, captioner, overwrite=overwrite)
                    captioned = _captioned(described, difference, budget)
                except DataError as error:
                    outcome.problems.append(str(error))
                    continue
                is_kept = earlier is not None and _origin(described) == _origin(earlier)
                outcome.kept, outcome.made = outcome.kept + is_kept, outcome.made + (not is_kept)
                written[pair.name] = captioned
                if captioned.left_out:
                    outcome.cut.append(pair.name)
                if time.monotonic() - saved_at >= SAVE_SECONDS:
                    records = _save(path, written)
                    saved_at = time.monotonic()
        finally:
            if written != records:
                _save(path, written)
    if pairs and len(outcome.problems) == len(pairs):
        raise DataError("No image could be described:\n  " + "\n  ".join(outcome.problems))
    return outcome


def _save(path: Path, records: dict[str, CaptionRecord]) -> dict[str, CaptionRecord]:
    write_records(path, records.values())
    return dict(records)


def _said_by(captioner: Captioner) -> str:
    return f"{captioner.identity}, at most {captioner.most_tokens} tokens"


def _origin(record: CaptionRecord) -> tuple[str | None, ...]:
    """What a record's descriptions follow from."""
    return record.model, record.prompt, record.lq_sha256, record.gt_sha256


def _check_settings(
    pairs: Sequence[ImagePair], records: dict[str, CaptionRecord], captioner: Captioner, path: Path
) -> None:
    """Refuse to mix what two models, or two prompts, said of the images of one run, before any image is read."""
    for pair in pairs:
        record = records.get(pair.name)
        if record is None or record.is_by_hand:
            continue
        now = {"model": _said_by(captioner), "prompt": captioner.prompt}
        then = {"model": record.model, "prompt": record.prompt}
        differing = [f"{key}: {then[key]!r} then, {now[key]!r} now" for key in now if then[key] != now[key]]
        if record.gt is not None and pair.gt is None:
            differing.append("HR images then, none now")
        if differing:
            raise DataError(
                f"{path}: the caption of {pair.name} was made with other settings ({'; '.join(differing)}). Give those "
                f"again, choose another --out, or replace the captions with --overwrite."
            )


def _described(
    pair: ImagePair, earlier: CaptionRecord | None, captioner: Captioner, *, overwrite: bool
) -> CaptionRecord:
    """Describe the images of a pair; what the same model has said of the same bytes is taken again.

    Raises:
        DataError: If an image cannot be read, is not the one that was described, or the model says nothing of it.
    """
    model, prompt = _said_by(captioner), captioner.prompt
    known = CaptionRecord(image=pair.name, caption="")
    if earlier is not None and (earlier.model, earlier.prompt) == (model, prompt):
        known = earlier
    said: dict[str, Any] = {}
    for side, image in (("lq", pair.lq), ("gt", pair.gt)):
        if image is None:
            said[side] = said[f"{side}_sha256"] = None
            continue
        data = image.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        before: str | None = getattr(known, f"{side}_sha256")
        description: str | None = getattr(known, side)
        if before != digest or description is None:
            if before is not None and not overwrite:
                raise DataError(
                    f"{image}: is not the image that was described (other bytes); --overwrite describes it anew."
                )
            description = _describe(image, data, captioner)
        said[side], said[f"{side}_sha256"] = description, digest
    return CaptionRecord(image=pair.name, caption="", model=model, prompt=prompt, **said)


def _describe(image: EncodedImage, data: bytes, captioner: Captioner) -> str:
    try:
        pixels, _ = read_rgb(data, image.conversion)
    except ImageReadError as error:
        raise error.of(str(image)) from error
    description = captioner.describe(pixels).strip()
    if not description:
        raise DataError(f"{image}: the model says nothing of it; try another --model or --prompt.")
    return description


def _captioned(record: CaptionRecord, difference: Difference, budget: TokenBudget) -> CaptionRecord:
    """Make the caption of what a model said.

    Raises:
        DataError: If nothing is left of it, which no reader of the file would take for a caption.
    """
    assert record.lq is not None
    fitted = change_caption(record.lq, record.gt, difference=difference, budget=budget)
    if not fitted.text.replace(ARROW.strip(), "").strip():
        said = " and ".join(repr(text[:40]) for text in (record.lq, record.gt) if text is not None)
        raise DataError(
            f"{record.image}: no caption can be made of what the model says ({said}) behind the style words "
            f"{budget.style!r:.80}; try another --model or --prompt, or shorten the style words."
        )
    rule = RULES[difference, record.gt is not None]
    return replace(record, caption=fitted.text, rule=rule, left_out=fitted.left_out)
