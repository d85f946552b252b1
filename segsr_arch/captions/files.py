"""Caption files: one JSON object a line, by the names of the images, written by ``segsr caption`` or by hand."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from segsr_arch.errors import DataError
from segsr_arch.files.text_files import write_text
from segsr_arch.known_names import nearest, nearest_hint
from segsr_arch.text import composed, read_lines

_WHAT = "a caption file"
_FORM = '{"image": "river/river01", "caption": "from blurred roofs to sharp roofs"}'


@dataclass(frozen=True, kw_only=True)
class CaptionRecord:
    """The caption of one image, and how it came about; of one written by hand, ``image`` and ``caption`` alone.

    Attributes:
        image: Name of the image: its path below the folder without its ending, forward slashes.
        caption: What networks read.
        lq: What the model said of the LR image, whole.
        gt: What the model said of the ground truth, whole; ``None`` if it was made from the LR image alone.
        model: The model, its weights, their digest, and how long its descriptions may be.
        prompt: What the model was asked; ``None`` for models that are asked nothing.
        rule: How the caption was made of the descriptions.
        lq_sha256: Digest of the LR image's bytes, 64 hex digits.
        gt_sha256: That of the ground truth's.
        left_out: Phrases of the descriptions for which the caption had no room.
    """

    image: str
    caption: str
    lq: str | None = None
    gt: str | None = None
    model: str | None = None
    prompt: str | None = None
    rule: str | None = None
    lq_sha256: str | None = None
    gt_sha256: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def is_by_hand(self) -> bool:
        """Whether no model made it."""
        return self.model is None


_KEYS = tuple(field.name for field in fields(CaptionRecord))


def read_captions(path: str | os.PathLike[str]) -> Mapping[str, str]:
    """Read the captions of a file, as data sets need them.

    Args:
        path: A caption file.

    Returns:
        The caption of each image by its name, which is composed (NFC), as those of data sets are.

    Raises:
        DataError: If the file cannot be read, or a line is not as it should be; file and line are named.
    """
    return {name: record.caption for name, record in read_records(path).items()}


def read_records(path: str | os.PathLike[str]) -> dict[str, CaptionRecord]:
    """Read a caption file whole.

    Args:
        path: A caption file.

    Returns:
        The records by the names of their images, in the file's order.

    Raises:
        DataError: See :func:`read_captions`.
    """
    records: dict[str, CaptionRecord] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(read_lines(path, _WHAT), start=1):
        if not line.strip():
            continue
        record = _record(line, place=f"{path}, line {number}")
        if record.image in records:
            raise DataError(
                f"{path}, line {number}: the image {record.image} has a caption in line {lines[record.image]} already; "
                f"remove one of the two."
            )
        records[record.image], lines[record.image] = record, number
    if not records:
        raise DataError(f"{path}: holds no caption; a line of {_WHAT} is, for instance, {_FORM}")
    return records


def _record(line: str, *, place: str) -> CaptionRecord:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place}: is no JSON ({error}); a line of {_WHAT} is, for instance, {_FORM}") from error
    if not isinstance(content, dict):
        raise DataError(f"{place}: expected an object with image and caption, got {line.strip():.80}; such as {_FORM}")
    for key in content:
        if key not in _KEYS:
            raise DataError(f"{place}: {key!r:.80} is no key of {_WHAT}{nearest_hint(key, _KEYS)}")
    for key in ("image", "caption"):
        if not isinstance(content.get(key), str) or not content[key].strip():
            raise DataError(f"{place}: {key} must be a text that is not empty, got {content.get(key)!r:.80}.")
    left_out = content.pop("left_out", [])
    if not isinstance(left_out, list) or not all(isinstance(phrase, str) for phrase in left_out):
        raise DataError(f"{place}: left_out must be a list of texts, got {left_out!r:.80}.")
    for key, value in content.items():
        if not (value is None or isinstance(value, str)):
            raise DataError(f"{place}: {key} must be a text, got {value!r:.80}.")
    return CaptionRecord(**{**content, "image": composed(content["image"]), "left_out": tuple(left_out)})


def check_captions(captions: Mapping[str, str], images: Iterable[str], *, path: str | os.PathLike[str]) -> None:
    """Make sure that every image of a data set has a caption. Captions of further images do no harm.

    Args:
        captions: What :func:`read_captions` gave.
        images: Names of the data set's images.
        path: The caption file, for the message.

    Raises:
        DataError: If an image has none; the first is named, and what is near it in the file.
    """
    names = list(images)
    missing = [name for name in names if name not in captions]
    if not missing:
        return
    first, example = missing[0], next(iter(captions), "none")
    if len(missing) == len(names):
        raise DataError(
            f"{path}: is of other images: none of the {len(names)} of the data set has a caption ({first}, ... against "
            f"{example}, ... in the file{nearest(first, captions)}). An image is named by its path below the folder of "
            f"the data set, without ending."
        )
    raise DataError(
        f"{path}: {len(missing)} of {len(names)} images have no caption, {first} for instance"
        f"{nearest(first, captions)}. Add a line for each, or let segsr caption go on with the file."
    )


def write_records(path: str | os.PathLike[str], records: Iterable[CaptionRecord]) -> Path:
    """Write a caption file, whole or not at all, in the order of the images' names; returns its path.

    Args:
        path: The file; its folder must exist.
        records: One record an image. What a record does not say is not written.

    Raises:
        SaveError: If it cannot be written; what was there before is intact.
    """
    ordered = sorted(records, key=lambda record: record.image)
    return write_text(path, "".join(json.dumps(_spoken(record), ensure_ascii=False) + "\n" for record in ordered))


def _spoken(record: CaptionRecord) -> dict[str, Any]:
    return {key: value for key, value in asdict(record).items() if value not in (None, ())}
