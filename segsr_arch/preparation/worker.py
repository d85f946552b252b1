"""The part of the preparation that runs in worker processes: inspect a source image, write its HR and LR images."""

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from segsr_arch.degradations.bicubic import make_lr, mod_crop
from segsr_arch.errors import DataError
from segsr_arch.files.atomic import atomic_write
from segsr_arch.images.conversion import Conversion
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.reading import RULES, read_rgb
from segsr_arch.preparation.lmdb_writing import PNG_LEVEL, Entry, write_lmdb
from segsr_arch.sources.image_sources import ImageSource

SIDES = ("HR", "LR")


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

    def as_record(self) -> dict:
        """Give it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_record(cls, record: dict) -> "Inspection":
        """Read what :meth:`as_record` gave, after a way through JSON."""
        return cls(
            path=record["path"],
            file_digest=record["file_digest"],
            pixel_digest=record["pixel_digest"],
            size=tuple(record["size"]),
            notes=tuple((kind, sentence) for kind, sentence in record["notes"]),
            rules=record.get("rules", 0),
        )


@dataclass(frozen=True)
class Job:
    """One image to be written at one scale.

    Attributes:
        path: File in the source.
        pixel_digest: What its pixels were when it was inspected.
        split: ``train``, ``val`` or ``test``.
        name: File name without ending.
        scale: The scale.
        record: What an earlier run wrote down after doing this job, or ``None``.
    """

    path: str
    pixel_digest: str
    split: str
    name: str
    scale: int
    record: dict | None

    def output(self, root: Path, side: str) -> Path:
        """Where the PNG of a side (``HR`` or ``LR``) lies."""
        return root / self.split / f"{side}_x{self.scale}" / f"{self.name}.png"


def digest_bytes(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_pixels(pixels: np.ndarray) -> str:
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
    """

    def __init__(self, *, source: Path, root: Path, conversion: Conversion):
        self._source = ImageSource(source)
        self._root = root
        self._conversion = conversion

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

    def make(self, jobs: tuple[Job, ...]) -> list[tuple[Job, dict, bool]]:
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
            if self._is_intact(job):
                done.append((job, job.record, False))
                continue
            if pixels is None:
                pixels = self._read_again(job)
            done.append((job, self._write(job, pixels), True))
        return done

    def build_lmdb(self, folder: Path, entries: list[Entry], scratch: Path) -> Path:
        """Build an LMDB by :func:`write_lmdb`; returns its folder."""
        write_lmdb(folder, entries, scratch=scratch)
        return folder

    def _is_intact(self, job: Job) -> bool:
        if job.record is None or job.record["pixel_digest"] != job.pixel_digest:
            return False
        for side in SIDES:
            path = job.output(self._root, side)
            if not path.is_file() or digest_bytes(path.read_bytes()) != job.record[side]["file_digest"]:
                return False
        return True

    def _read_again(self, job: Job) -> np.ndarray:
        try:
            pixels, _ = read_rgb(self._source.read(job.path), self._conversion)
        except ImageReadError:
            pixels = None
        if pixels is None or digest_pixels(pixels) != job.pixel_digest:
            raise DataError(f"{job.path}: changed while it was being prepared; start again once nothing writes there")
        return pixels

    def _write(self, job: Job, pixels: np.ndarray) -> dict:
        high = np.ascontiguousarray(mod_crop(pixels, job.scale))
        record: dict = {"pixel_digest": job.pixel_digest}
        for side, image in zip(SIDES, (high, make_lr(high, job.scale)), strict=True):
            encoded, png = cv2.imencode(".png", image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
            if not encoded:
                raise DataError(f"{job.path}: OpenCV cannot encode its {side} image of shape {image.shape} as PNG")
            data = png.tobytes()
            path = job.output(self._root, side)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(data)
            record[side] = {
                "file_digest": digest_bytes(data),
                "output_digest": digest_pixels(image),
                "size": list(image.shape[:2]),
            }
        return record
