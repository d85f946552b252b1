"""The folder that ``segsr prepare`` has made: what a table takes from it, checked before anything runs."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from segsr_arch.errors import DataError
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.sources.lmdb_reading import read_whole_list
from segsr_arch.text import decode

_KINDS = {"UCM": "ucmerced", "AID": "aid"}
_PREPARE = "Prepare the images first: segsr prepare {kind} SRC {folder} --scale {scale}"


@dataclass(frozen=True, kw_only=True)
class PreparedData:
    """What a table takes from a prepared data set.

    Attributes:
        folder: Its absolute path.
        kind: As what it was prepared: ``ucmerced``, ``aid`` or ``folder``.
        manifest_digest: ``data_digest`` of its manifest, over all splits and scales.
        used_digest: SHA-256 (64 hex digits) over the images of the splits and the scale that the table uses.
        images: Number of images at this scale by split.
        lr_size: Height and width of the first validation image, in LR pixels.
    """

    folder: Path
    kind: str
    manifest_digest: str
    used_digest: str
    images: Mapping[str, int]
    lr_size: tuple[int, int]


def find_data(
    folder: str | os.PathLike, *, dataset: str, scale: int, final_split: Literal["test", "val"]
) -> PreparedData:
    """Find what a table needs in a prepared data set.

    Args:
        folder: As ``segsr prepare`` made it.
        dataset: ``UCM`` or ``AID``, which the table is about; other images, prepared as a folder, may stand in.
        scale: Upscaling factor.
        final_split: On which images the finished networks are measured.

    Returns:
        What is there.

    Raises:
        DataError: If it is no such folder or that of the other data set, or lacks the scale or a split.
    """
    root = Path(folder).resolve()
    hint, elsewhere = (_PREPARE.format(kind=_KINDS[dataset], folder=to, scale=scale) for to in (folder, "DST"))
    manifest = _read_manifest(root, hint, elsewhere)
    try:
        kind, manifest_digest = manifest["data_set"], manifest["data_digest"]
        images = {split: manifest["counts"][split]["by_scale"].get(f"x{scale}", 0) for split in SPLITS}
        digests = {split: manifest["split_digests"][split].get(f"x{scale}") for split in SPLITS}
        sizes = [
            tuple(image["outputs"][f"x{scale}"]["LR"]["size"])
            for image in manifest["images"]
            if image["split"] == "val" and f"x{scale}" in image["outputs"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{root / 'manifest.json'} is not what segsr prepare writes ({error!r}). {hint}") from error
    if kind != _KINDS[dataset] and kind in _KINDS.values():
        raise DataError(f"--data: {folder} holds {kind}, but the table is about {_KINDS[dataset]}. {hint}")
    if not any(images.values()):
        scales = ", ".join(f"x{number}" for number in manifest["scales"])
        raise DataError(f"--data: {folder} has {scales or 'no scale'}, not x{scale}. {hint}")
    used = dict.fromkeys(("train", "val", final_split))
    for split in used:
        _check_split(root, split, scale, images[split], hint)
    lines = "".join(f"{split} x{scale} {digests[split]}\n" for split in used)
    return PreparedData(
        folder=root,
        kind=kind,
        manifest_digest=manifest_digest,
        used_digest=hashlib.sha256(lines.encode()).hexdigest(),
        images=images,
        lr_size=sizes[0],
    )


def _read_manifest(root: Path, hint: str, elsewhere: str) -> Mapping[str, Any]:
    path = root / "manifest.json"
    try:
        manifest = json.loads(decode(path.read_bytes()))
    except FileNotFoundError as error:
        if root.is_dir():  # perhaps the source itself, which stays as it is
            raise DataError(
                f"--data: {root} is no prepared data set: it has no manifest.json. {elsewhere}, and give --data DST"
            ) from error
        raise DataError(f"--data: {root} does not exist. {hint}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). {hint}") from error
    if not isinstance(manifest, Mapping):
        raise DataError(f"{path} is not what segsr prepare writes. {hint}")
    return manifest


def _check_split(root: Path, split: str, scale: int, count: int, hint: str) -> None:
    if count == 0 and split == "test":
        raise DataError(
            f"--data: {root} has no test images at x{scale}. Prepare the whole data set, or give --test-on val: then "
            f"nothing is selected, and the network after the last iteration is measured on the validation images."
        )
    if count == 0:
        raise DataError(f"--data: {root} has no images for {split} at x{scale}. {hint}")
    for side in ("HR", "LR"):
        database = root / split / f"{side}_x{scale}.lmdb"
        if not (database / "data.mdb").is_file():
            raise DataError(
                f"--data: {database} is missing, though the manifest lists {count} images; run segsr prepare again, "
                f"without --no-lmdb."
            )
        try:
            listed = len(read_whole_list(database))
        except DataError as error:
            raise DataError(f"--data: {error}, or run segsr prepare again.") from error
        if listed != count:
            raise DataError(f"--data: {database} lists {listed} images, the manifest {count}; run segsr prepare again.")
