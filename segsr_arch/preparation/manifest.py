"""The manifest of a prepared data set: what is in it, how it was made, and digests by which two can be compared."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import segsr_arch
from segsr_arch.files.atomic import atomic_write
from segsr_arch.preparation.problems import Problem
from segsr_arch.preparation.source_images import SourceImage
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.preparation.worker import SIDES, Inspection, digest_bytes

FORMAT = 1
PROTOCOL = (
    "HR: source image in 8-bit RGB, cut at the right and lower edge to a multiple of the scale. "
    "LR: MATLAB-like antialiased bicubic reduction of that HR (the numbers of "
    "basicsr.utils.matlab_functions.imresize), rounded half to even to 8 bits. "
    "Digests: SHA-256 of 'HxWx3:' and the RGB bytes."
)


@dataclass(frozen=True)
class PreparedImage:
    """An image that is in the prepared data set.

    Attributes:
        image: Its place.
        inspection: What its source is.
        outputs: For each scale what was written: ``{"HR": {...}, "LR": {...}}`` with sizes and digests.
    """

    image: SourceImage
    inspection: Inspection
    outputs: dict[int, dict[str, Any]]


def _digest(lines: list[str]) -> str:
    return digest_bytes("".join(f"{line}\n" for line in lines).encode())


def _image_record(prepared: PreparedImage) -> dict[str, Any]:
    outputs = {
        f"x{scale}": {side: {"size": made[side]["size"], "sha256": made[side]["output_digest"]} for side in SIDES}
        for scale, made in sorted(prepared.outputs.items())
    }
    return {
        "name": prepared.image.name,
        "listed": prepared.image.listed,
        "class": prepared.image.group,
        "split": prepared.image.split,
        "source": prepared.image.path,
        "size": list(prepared.inspection.size),
        "sha256": prepared.inspection.pixel_digest,
        "outputs": outputs,
    }


def _counts(prepared: list[PreparedImage], scales: list[int], split: str) -> dict[str, Any]:
    members = [entry for entry in prepared if entry.image.split == split]
    return {
        "images": len(members),
        "by_scale": {f"x{scale}": sum(scale in entry.outputs for entry in members) for scale in scales},
        "by_class": dict(sorted(Counter(entry.image.group for entry in members).items())),
    }


def _split_digests(prepared: list[PreparedImage], scales: list[int], split: str) -> dict[str, str]:
    """For each scale one digest over name, HR and LR of every image of a split."""
    digests = {}
    for scale in scales:
        lines = []
        for entry in prepared:
            if entry.image.split == split and scale in entry.outputs:
                pair = [entry.outputs[scale][side]["output_digest"] for side in SIDES]
                lines.append(" ".join((entry.image.name, *pair)))
        digests[f"x{scale}"] = _digest(sorted(lines))
    return digests


def build_manifest(
    prepared: list[PreparedImage],
    *,
    settings: dict[str, Any],
    scales: list[int],
    missing: list[str],
    identical: list[list[str]],
    problems: list[Problem],
) -> dict[str, Any]:
    """Describe a prepared data set. The description holds no time and no path of this machine.

    Args:
        prepared: Its images.
        settings: What it was prepared with.
        scales: All its scales.
        missing: Listed names that the source does not have.
        identical: Groups of identical images that are in one split.
        problems: What was found in the source and what was done.
    """
    split_digests = {split: _split_digests(prepared, scales, split) for split in SPLITS}
    return {
        "format": FORMAT,
        "tool": f"segsr {segsr_arch.__version__}",
        "data_set": settings["data_set"],
        "data_digest": _digest(
            [f"{split} {scale} {d}" for split in SPLITS for scale, d in split_digests[split].items()]
        ),
        "protocol": PROTOCOL,
        "settings": settings,
        "scales": scales,
        "counts": {split: _counts(prepared, scales, split) for split in SPLITS},
        "split_digests": split_digests,
        "missing": {"count": len(missing), "names": missing},
        "identical": identical,
        "problems": [problem.as_record() for problem in problems],
        "images": [_image_record(entry) for entry in prepared],
    }


def _write_if_different(path: Path, data: bytes) -> None:
    """Leave a file that is right already untouched, so that a second run changes nothing."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(exist_ok=True)
    with atomic_write(path) as file:
        file.write(data)


def write_manifest(root: Path, manifest: dict[str, Any]) -> None:
    """Write ``manifest.json``, unless it is there with this content."""
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    # JSON, too, writes what is no UTF-8 in a file name as \\udcff
    _write_if_different(root / "manifest.json", text.encode(errors="backslashreplace"))


def write_split_lists(root: Path, prepared: list[PreparedImage]) -> None:
    """Write ``splits/{train,val,test}.txt``: the images that are in the data set, as ``class/stem``."""
    for split in SPLITS:
        names = [entry.image.listed for entry in prepared if entry.image.split == split]
        lines = "".join(f"./{name}\n" if name.startswith("#") else f"{name}\n" for name in names)  # # is a comment
        _write_if_different(root / "splits" / f"{split}.txt", lines.encode())
