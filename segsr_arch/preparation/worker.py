"""The part of the preparation that runs in worker processes: inspect a source image, write its HR and LR images."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing.synchronize import Lock
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segsr_arch.degradations.bicubic import make_lr, mod_crop
from segsr_arch.errors import DataError
from segsr_arch.files.atomic import atomic_write
from segsr_arch.images.conversion import Conversion, Note
from segsr_arch.images.errors import Finding, ImageReadError
from segsr_arch.images.reading import RULES, read_header, read_rgb
from segsr_arch.preparation.fixed_degradation import FixedDegradation
from segsr_arch.preparation.inspection import Inspection
from segsr_arch.preparation.journal import Key
from segsr_arch.preparation.pieces import Piece
from segsr_arch.preparation.tiling import Tiling
from segsr_arch.sources.image_sources import ImageSource

SIDES = ("HR", "LR")
SIDECAR = "degradation"
"""What the file beside a degraded LR image is called, in the journal and, with the scale behind it, as a folder."""
PNG_LEVEL = 1
"""zlib level of the PNG files; BasicSR writes it into every line of ``meta_info.txt``."""
_LARGE = 1 << 26
"""Pixels from which on images are decoded one after the other, whatever the number of processes."""
_HASHED = 1 << 26
"""Bytes of pixels that are copied at once for a digest, at least one row."""

Pixels = npt.NDArray[np.uint8]


def output_path(root: Path, kind: str, key: Key) -> Path:
    """Where something lies that was made.

    Args:
        root: The prepared data set's folder.
        kind: One of :data:`SIDES`, or :data:`SIDECAR`.
        key: See :meth:`~segsr_arch.preparation.pieces.Piece.key`.
    """
    _, split, scale, name = key
    return root / split / f"{kind}_x{scale}" / f"{name}{'.json' if kind == SIDECAR else '.png'}"


@dataclass(frozen=True)
class Job:
    """One piece to be written at one scale.

    Attributes:
        piece: An image of the source, or a tile of it.
        scale: The scale.
        made: What an earlier run wrote down after doing this job, or ``None``.
    """

    piece: Piece
    scale: int
    made: dict[str, Any] | None

    def output(self, root: Path, kind: str) -> Path:
        """Where the PNG of a side (``HR`` or ``LR``), or the file beside it, lies; see :func:`output_path`."""
        return output_path(root, kind, self.piece.key(self.scale))


def digest_bytes(data: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_pixels(pixels: Pixels) -> str:
    """SHA-256 of ``HxWxC:`` and the 8-bit RGB values row by row: the same for one image in any lossless format."""
    shape = "x".join(str(side) for side in pixels.shape)
    digest = hashlib.sha256(f"{shape}:".encode())
    rows = max(1, _HASHED // max(1, pixels[:1].nbytes))
    for top in range(0, len(pixels), rows):
        digest.update(np.ascontiguousarray(pixels[top : top + rows]).data)
    return digest.hexdigest()


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
        tiling: How images are cut; ``None`` for whole ones.
        parts: Whether .zip archives in a folder are read as folders.
        turn: Lock of all workers, held while one of them has a large image; ``None`` if there is one worker.
    """

    def __init__(
        self,
        *,
        source: Path,
        root: Path,
        conversion: Conversion,
        degradation: FixedDegradation | None = None,
        tiling: Tiling | None = None,
        parts: bool = False,
        turn: Lock | None = None,
    ) -> None:
        self._source = ImageSource(source, parts=parts)
        self._root = root
        self._conversion = conversion
        self._degradation = degradation
        self._tiling = tiling
        self._turn = turn
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
            with self._decoded(data) as (pixels, notes):
                return Inspection(
                    path=path,
                    file_digest=file_digest,
                    pixel_digest=digest_pixels(pixels),
                    size=pixels.shape[:2],
                    notes=tuple((finding.value, sentence) for finding, sentence in notes),
                    tiles=self._tile_digests(pixels),
                )
        except ImageReadError as error:
            return _unusable(path, file_digest, error.finding, str(error))

    @contextmanager
    def _decoded(self, data: bytes) -> Iterator[tuple[Pixels, list[Note]]]:
        """Decode an image; a large one while no other worker has one."""
        header = read_header(data)
        large = header.height * header.width > _LARGE
        with self._turn if large and self._turn is not None else nullcontext():
            yield read_rgb(data, self._conversion)

    def _tile_digests(self, pixels: Pixels) -> tuple[str, ...]:
        if self._tiling is None:
            return ()
        tiles = (pixels[window.slices] for window in self._tiling.windows(*pixels.shape[:2]))
        return tuple("" if (tile == tile[0, 0]).all() else digest_pixels(tile) for tile in tiles)

    def make(self, jobs: tuple[Job, ...]) -> list[tuple[Job, dict[str, Any], bool]]:
        """Write the pieces of one source image, except where the files of an earlier run are intact.

        The image is read once for all of them, and not at all if all are intact.

        Args:
            jobs: All of the same source image.

        Returns:
            For each job: the job, the record of its two files, and whether they were written now.

        Raises:
            DataError: If the source image changed since it was inspected.
        """
        done = []
        with ExitStack() as held:
            whole = None
            for job in jobs:
                if job.made is not None and self._is_intact(job, job.made):
                    done.append((job, job.made, False))
                    continue
                if whole is None:
                    whole = held.enter_context(self._read_again(job.piece.image.path))
                done.append((job, self._write(job, _cut(whole, job.piece)), True))
        return done

    def _is_intact(self, job: Job, made: dict[str, Any]) -> bool:
        paths = {kind: job.output(self._root, kind) for kind in self._kinds}
        return made["pixel_digest"] == job.piece.pixel_digest and all(
            path.is_file() and digest_bytes(path.read_bytes()) == made[kind]["file_digest"]
            for kind, path in paths.items()
        )

    @contextmanager
    def _read_again(self, path: str) -> Iterator[Pixels]:
        with ExitStack() as held:
            try:
                pixels, _ = held.enter_context(self._decoded(self._source.read(path)))
            except ImageReadError as error:
                raise _changed(path) from error
            yield pixels

    def _write(self, job: Job, pixels: Pixels) -> dict[str, Any]:
        high = np.ascontiguousarray(mod_crop(pixels, job.scale))
        record: dict[str, Any] = {"pixel_digest": job.piece.pixel_digest}
        if self._degradation is None:
            low = make_lr(high, job.scale)
        else:
            low, facts = self._degradation.make(high, scale=job.scale, name=job.piece.name)
            _write_file(job.output(self._root, SIDECAR), facts)
            record[SIDECAR] = {"file_digest": digest_bytes(facts)}
        for side, image in zip(SIDES, (high, low), strict=True):
            encoded, png = cv2.imencode(".png", image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL])
            if not encoded:
                raise DataError(
                    f"{job.piece.place}: OpenCV cannot encode its {side} image of shape {image.shape} as PNG"
                )
            data = png.tobytes()
            _write_file(job.output(self._root, side), data)
            record[side] = {
                "file_digest": digest_bytes(data),
                "output_digest": digest_pixels(image),
                "size": list(image.shape[:2]),
            }
        return record


def _changed(path: str) -> DataError:
    return DataError(f"{path}: changed while it was being prepared; start again once nothing writes there")


def _cut(whole: Pixels, piece: Piece) -> Pixels:
    """Give the pixels of a piece of an image; a :class:`DataError` if they are not those that were inspected."""
    part = whole if piece.window is None else whole[piece.window.slices]
    if digest_pixels(part) != piece.pixel_digest:
        raise _changed(piece.image.path)
    return part


def _write_file(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(data)
