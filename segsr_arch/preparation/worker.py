"""The part of the preparation that runs in worker processes: inspect a source image, write its HR and LR images."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segsr_arch.degradations.bicubic import make_lr, mod_crop
from segsr_arch.errors import DataError
from segsr_arch.files.atomic import atomic_write
from segsr_arch.images.conversion import Conversion
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.reading import RULES, read_rgb
from segsr_arch.preparation.fixed_degradation import FixedDegradation
from segsr_arch.preparation.journal import Key
from segsr_arch.preparation.source_images import SourceImage
from segsr_arch.sources.image_sources import ImageSource

SIDES = ("HR", "LR")
SIDECAR = "degradation"
"""What the file beside a degraded LR image is called, in the journal and, with the scale behind it, as a folder."""
PNG_LEVEL = 1
"""zlib level of the PNG files; BasicSR writes it into every line of ``meta_info.txt``."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Inspection:
    """What is known of a source image.

    Attributes:
        path: File in the source.
        file_digest: SHA-256 of the file's bytes.
        pixel_digest: Digest of its RGB pixels, see :func:`digest_pixels`; empty if it cannot be used.
        size: Height and width in pixels; zeros if it cannot be used.
        notes: Pairs of finding and sentence.
        rules: Number of the rules by which it was read.
    """

    path: str
    file_digest: str
    pixel_digest: str
    size: tuple[int, int]
    notes: tuple[tuple[str, str], ...]
    rules: int = RULES

    def as_record(self) -> dict[str, Any]:
        """Give it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Inspection":
        """Read what :meth:`as_record` gave, after a way through JSON."""
        kept = {"rules": 0, **record}
        return cls(**{**kept, "size": tuple(kept["size"]), "notes": tuple(map(tuple, kept["notes"]))})


def made_key(image: SourceImage, scale: int) -> Key:
    """Under which key of the journal stands what was made of an image at a scale."""
    return "made", image.split, str(scale), image.name


def output_path(root: Path, kind: str, key: Key) -> Path:
    """Where something lies that was made.

    Args:
        root: The prepared data set's folder.
        kind: One of :data:`SIDES`, or :data:`SIDECAR`.
        key: See :func:`made_key`.
    """
    _, split, scale, name = key
    return root / split / f"{kind}_x{scale}" / f"{name}{'.json' if kind == SIDECAR else '.png'}"


@dataclass(frozen=True)
class Job:
    """One image to be written at one scale.

    Attributes:
        image: The image.
        pixel_digest: What its pixels were when it was inspected.
        scale: The scale.
        made: What an earlier run wrote down after doing this job, or ``None``.
    """

    image: SourceImage
    pixel_digest: str
    scale: int
    made: dict[str, Any] | None

    def output(self, root: Path, kind: str) -> Path:
        """Where the PNG of a side (``HR`` or ``LR``), or the file beside it, lies; see :func:`output_path`."""
        return output_path(root, kind, made_key(self.image, self.scale))


def digest_bytes(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_pixels(pixels: Pixels) -> str:
    """SHA-256 of ``HxWxC:`` and the 8-bit RGB values row by row: the same for one image in any lossless format."""
    shape = "x".join(str(side) for side in pixels.shape)
    return digest_bytes(f"{shape}:".encode() + np.ascontiguousarray(pixels).tobytes())


def _unusable(path: str, file_digest: str, finding: Finding, sentence: str) -> Inspection:
    note = (finding.value, f"{sentence}; left out")
    return Inspection(path=path, file_digest=file_digest, pixel_digest="", size=(0, 0), notes=(note,))


class Workshop:
    """What a worker process needs to do its jobs.

    Args:
        source: Folder or archive with the images.
        root: The prepared data set's folder.
        conversion: For images of more than 8 bits or other bands.
        degradation: Of the LR images; ``None`` for the bicubic reduction alone.
    """

    def __init__(
        self, *, source: Path, root: Path, conversion: Conversion, degradation: FixedDegradation | None = None
    ) -> None:
        self._source = ImageSource(source)
        self._root = root
        self._conversion = conversion
        self._degradation = degradation
        self._kinds = SIDES if degradation is None else (*SIDES, SIDECAR)

    def inspect(self, path: str, known: Inspection | None) -> Inspection:
        """Find out digest, size and problems of one source image.

        Args:
            path: File in the source.
            known: What an earlier run found; returned again if the file has not changed since. One that could not be
                used is looked at again, since that may have been for lack of memory.
        """
        try:
            data = self._source.read(path)
        except DataError as error:
            return _unusable(path, "", Finding.BROKEN, str(error))
        file_digest = digest_bytes(data)
        if known is not None and known.pixel_digest and (known.file_digest, known.rules) == (file_digest, RULES):
            return known
        try:
            pixels, notes = read_rgb(data, self._conversion)
        except ImageReadError as error:
            return _unusable(path, file_digest, error.finding, str(error))
        return Inspection(
            path=path,
            file_digest=file_digest,
            pixel_digest=digest_pixels(pixels),
            size=pixels.shape[:2],
            notes=tuple((finding.value, sentence) for finding, sentence in notes),
        )

    def make(self, jobs: tuple[Job, ...]) -> list[tuple[Job, dict[str, Any], bool]]:
        """Write one source image at several scales, except where the files of an earlier run are intact.

        Args:
            jobs: All of the same source image.

        Returns:
            For each job: the job, the record of its two files, and whether they were written now.

        Raises:
            DataError: If the source image changed since it was inspected.
        """
        done = []
        pixels = None
        for job in jobs:
            if job.made is not None and self._is_intact(job, job.made):
                done.append((job, job.made, False))
                continue
            if pixels is None:
                pixels = self._read_again(job)
            done.append((job, self._write(job, pixels), True))
        return done

    def _is_intact(self, job: Job, made: dict[str, Any]) -> bool:
        paths = {kind: job.output(self._root, kind) for kind in self._kinds}
        return made["pixel_digest"] == job.pixel_digest and all(
            path.is_file() and digest_bytes(path.read_bytes()) == made[kind]["file_digest"]
            for kind, path in paths.items()
        )

    def _read_again(self, job: Job) -> Pixels:
        path = job.image.path
        try:
            pixels, _ = read_rgb(self._source.read(path), self._conversion)
        except ImageReadError:
            pixels = None
        if pixels is None or digest_pixels(pixels) != job.pixel_digest:
            raise DataError(f"{path}: changed while it was being prepared; start again once nothing writes there")
        return pixels

    def _write(self, job: Job, pixels: Pixels) -> dict[str, Any]:
        high = np.ascontiguousarray(mod_crop(pixels, job.scale))
        record: dict[str, Any] = {"pixel_digest": job.pixel_digest}
        if self._degradation is None:
            low = make_lr(high, job.scale)
        else:
            low, facts = self._degradation.make(high, scale=job.scale, name=job.image.name)
            _write_file(job.output(self._root, SIDECAR), facts)
            record[SIDECAR] = {"file_digest": digest_bytes(facts)}
        for side, image in zip(SIDES, (high, low), strict=True):
            encoded, png = cv2.imencode(".png", image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
            if not encoded:
                raise DataError(
                    f"{job.image.path}: OpenCV cannot encode its {side} image of shape {image.shape} as PNG"
                )
            data = png.tobytes()
            _write_file(job.output(self._root, side), data)
            record[side] = {
                "file_digest": digest_bytes(data),
                "output_digest": digest_pixels(image),
                "size": list(image.shape[:2]),
            }
        return record


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(data)
