"""Where the pixels of an image lie: a file, or an entry of an LMDB as BasicSR lays it out."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from segsr_arch.errors import DataError
from segsr_arch.images.conversion import AS_STORED, Conversion
from segsr_arch.images.reading import read_bgr
from segsr_arch.sources.image_names import is_lmdb, name_below


@dataclass(frozen=True, kw_only=True)
class ImageReference:
    """An image by its place.

    Attributes:
        path: Image file, or LMDB folder.
        key: Entry of the LMDB; ``None`` for a file.
        conversion: How it becomes RGB, where it is not.
    """

    path: str
    key: str | None = None
    conversion: Conversion = AS_STORED

    def __str__(self) -> str:
        return self.path if self.key is None else f"{self.path}::{self.key}"

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """Read what ``str()`` wrote."""
        path, separator, key = text.rpartition(".lmdb::")
        return cls(path=f"{path}.lmdb", key=key) if separator else cls(path=text)

    def resolved(self, folder: str | os.PathLike[str]) -> "ImageReference":
        """Give the same image, its path relative to ``folder`` made independent of it."""
        return replace(self, path=os.path.abspath(os.path.join(folder, self.path)))

    def relative_to(
        self, folder: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None
    ) -> "ImageReference":
        """Give the same image, its path relative to a folder, if they will be moved together; else absolute.

        Args:
            folder: What the path is to be relative to.
            root: What is moved as one, at or above ``folder``; ``None`` for ``folder`` itself.
        """
        absolute, whole = os.path.abspath(self.path), os.path.abspath(root or folder)
        inside = absolute.startswith(whole + os.sep)
        path = Path(os.path.relpath(absolute, os.path.abspath(folder))).as_posix() if inside else absolute
        return replace(self, path=path)

    def read_bytes(self) -> bytes:
        """Read the encoded image.

        Raises:
            DataError: If it is not there.
        """
        if self.key is None:
            try:
                return Path(self.path).read_bytes()
            except OSError as error:
                raise DataError(f"{self.path}: cannot be read ({error.strerror}); was it moved or deleted?") from error
        if not Path(self.path).is_dir():
            raise DataError(f"{self.path}: no such LMDB; was it moved or deleted?")
        return bytes(_lmdb_client(self.path).get(self.key))

    def read(self) -> np.ndarray:
        """Read the pixels, and say what was done to them, once for a folder.

        Returns:
            (H, W, 3) BGR, uint8 or uint16.

        Raises:
            DataError: If it is not there, does not decode, or cannot be used as RGB.
        """
        folder = self.path if self.key is not None else os.path.dirname(self.path)
        return read_bgr(self.read_bytes(), str(self), self.conversion, folder=folder, deep=True)


@lru_cache(maxsize=8)
def _lmdb_client(path: str) -> Any:
    """BasicSR's reader of an LMDB, kept open: many threads read one image each."""
    from basicsr.utils import FileClient

    return FileClient("lmdb", db_paths=path)


def check_encodable(name: str, place: str) -> None:
    """Make sure that the name of an image can be written to a UTF-8 file.

    Args:
        name: Name of the image.
        place: Where it was found, for the message.

    Raises:
        DataError: If it is not UTF-8 on the disk.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{place}: the file name {ascii(name)} is not UTF-8; rename it.") from error


@dataclass(frozen=True, kw_only=True)
class ItemPlaces:
    """What an item of a BasicSR data set is called, and where its images lie.

    Attributes:
        name: See :func:`~segsr_arch.sources.image_names.name_below`; that of the ground truth, if there is one.
        lq: The LR image; ``None`` for one that is made of the ground truth when it is read.
        gt: The ground truth, if there is one.
    """

    name: str
    lq: ImageReference | None
    gt: ImageReference | None


def places_of_item(
    options: Mapping[str, Any], *, lq_path: str, gt_path: str | None, conversion: Conversion = AS_STORED
) -> ItemPlaces:
    """Tell where the images of an item of a BasicSR data set lie.

    Args:
        options: Options of the data set.
        lq_path: As the item says. Where it is ``gt_path``, there is no LR image to lie anywhere.
        gt_path: As the item says, ``None`` without ground truth.
        conversion: How the images of the data set become RGB.
    """
    gt_root, lq_root = options.get("dataroot_gt"), options.get("dataroot_lq")
    made = lq_path == gt_path and lq_root is None
    return ItemPlaces(
        name=name_below(lq_root, lq_path) if gt_path is None else name_below(gt_root, gt_path),
        lq=None if made else place_below(lq_root, lq_path, conversion),
        gt=place_below(gt_root, gt_path, conversion),
    )


def place_below(root: str | None, path: str | None, conversion: Conversion = AS_STORED) -> ImageReference | None:
    """Tell where an image of a BasicSR data set lies.

    Args:
        root: ``dataroot_gt`` or ``dataroot_lq`` of its options.
        path: ``gt_path`` or ``lq_path`` of an item: a path, or an entry of the LMDB; ``None`` stays ``None``.
        conversion: How the images of the data set become RGB.
    """
    if path is None:
        return None
    if root is not None and is_lmdb(root):
        return ImageReference(path=str(root).rstrip("/"), key=path, conversion=conversion)
    return ImageReference(path=path, conversion=conversion)
