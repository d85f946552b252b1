"""The manifest of a prepared data set: what is in it, how it was made, and digests by which two can be compared."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from segsr_arch.files.atomic import atomic_write
from segsr_arch.preparation.fixed_degradation import FixedDegradation
from segsr_arch.preparation.journal import Key
from segsr_arch.preparation.pieces import Piece
from segsr_arch.preparation.problems import Problem
from segsr_arch.preparation.splits import SPLITS
from segsr_arch.preparation.worker import SIDECAR, SIDES, digest_bytes
from segsr_arch.version import __version__

FORMAT = 1
_HR = "HR: source image in 8-bit RGB, cut at the right and lower edge to a multiple of the scale. "
_BICUBIC = (
    "LR: MATLAB-like antialiased bicubic reduction of that HR (the numbers of "
    "basicsr.utils.matlab_functions.imresize), rounded half to even to 8 bits. "
)
_DIGESTS = "Digests: SHA-256 of 'HxWx3:' and the RGB bytes."


def _digest(lines: list[str]) -> str:
    return digest_bytes("".join(f"{line}\n" for line in lines).encode())


def _protocol(degradation: FixedDegradation | None, scales: Sequence[int]) -> str:
    """Say in words what HR and LR are, and of what digests are."""
    if degradation is None:
        return _HR + _BICUBIC + _DIGESTS
    chains = " ".join(degradation.chain(scale).words() for scale in scales)
    drawn = f"Drawn from seed {degradation.seed}, the scale and the name of each image; degradation_xSCALE says what. "
    return f"{_HR}LR, from that HR: {chains} {drawn}{_DIGESTS[:-1]}; of those files, of their bytes."


def _image_record(piece: Piece, outputs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    image, window = piece.image, piece.window
    return {
        "name": piece.name,
        "listed": image.listed,
        "class": image.group,
        "split": image.split,
        "source": image.path,
        **({} if window is None else {"tile": [window.top, window.left]}),
        "size": list(piece.size),
        "sha256": piece.pixel_digest,
        "outputs": {
            scale: {
                **{side: {"size": made[side]["size"], "sha256": made[side]["output_digest"]} for side in SIDES},
                **({SIDECAR: {"sha256": made[SIDECAR]["file_digest"]}} if SIDECAR in made else {}),
            }
            for scale, made in outputs.items()
        },
    }


def _counts(members: list[dict[str, Any]], scales: list[str], *, tiled: bool) -> dict[str, Any]:
    return {
        "images": len(members),
        **({"sources": len({image["source"] for image in members})} if tiled else {}),
        "by_scale": {scale: sum(scale in image["outputs"] for image in members) for scale in scales},
        "by_class": dict(sorted(Counter(image["class"] for image in members).items())),
    }


def _split_digest(members: list[dict[str, Any]], scale: str) -> str:
    """One digest over name, HR, LR and, if it is degraded, the file beside LR, of every image of a split at a scale."""
    lines = []
    for image in members:
        if scale in image["outputs"]:
            made = image["outputs"][scale]
            digests = [made[kind]["sha256"] for kind in (*SIDES, SIDECAR) if kind in made]
            lines.append(" ".join((image["name"], *digests)))
    return _digest(sorted(lines))


def build_manifest(
    kept: Sequence[Piece],
    records: Mapping[Key, dict[str, Any]],
    *,
    settings: dict[str, Any],
    scales: list[int],
    degradation: FixedDegradation | None,
    missing: list[str],
    identical: list[list[str]],
    problems: list[Problem],
) -> dict[str, Any]:
    """Describe a prepared data set. The description holds no time and no path of this machine.

    Args:
        kept: The images of the source, or their tiles, that were to be used.
        records: What was made of them, by journal key; one of which nothing was made is left out.
        settings: What they were prepared with.
        scales: All scales.
        degradation: That of the LR images, if they have one.
        missing: Listed names that the source does not have.
        identical: Groups of identical images that are in one split.
        problems: What was found in the source and what was done.
    """
    images = []
    for piece in kept:
        made = {f"x{scale}": records.get(piece.key(scale)) for scale in sorted(scales)}
        outputs = {scale: each for scale, each in made.items() if each is not None}
        if outputs:
            images.append(_image_record(piece, outputs))
    members = {split: [image for image in images if image["split"] == split] for split in SPLITS}
    named = [f"x{scale}" for scale in scales]
    digests = {split: {scale: _split_digest(members[split], scale) for scale in named} for split in SPLITS}
    return {
        "format": FORMAT,
        "tool": f"segsr {__version__}",
        "data_set": settings["data_set"],
        "data_digest": _digest([f"{split} {scale} {digests[split][scale]}" for split in SPLITS for scale in named]),
        "protocol": _protocol(degradation, scales),
        "settings": settings,
        "scales": scales,
        "counts": {split: _counts(members[split], named, tiled=settings["tiles"] is not None) for split in SPLITS},
        "split_digests": digests,
        "missing": {"count": len(missing), "names": missing},
        "identical": identical,
        "problems": [problem.as_record() for problem in problems],
        "images": images,
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


def write_split_lists(root: Path, images: Sequence[Mapping[str, Any]]) -> None:
    """Write ``splits/{train,val,test}.txt``: the source images of a manifest, as ``class/stem``."""
    for split in SPLITS:
        names = dict.fromkeys(image["listed"] for image in images if image["split"] == split)  # once for all tiles
        lines = "".join(f"./{name}\n" if name.startswith("#") else f"{name}\n" for name in names)  # # is a comment
        _write_if_different(root / "splits" / f"{split}.txt", lines.encode())
