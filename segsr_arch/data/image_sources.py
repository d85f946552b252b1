"""Where a data set's images come from: a folder or a .zip archive, read without unpacking it."""

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segsr_arch.errors import DataError

IMAGE_SUFFIXES = (".tif", ".tiff", ".png", ".webp", ".jpg", ".jpeg")
"""File name endings that count as images. The order is that of preference between two images of one name."""


@dataclass(frozen=True)
class SourceImage:
    """One image file of a source.

    Attributes:
        path: Where it lies in the source, with forward slashes.
        group: The folder that holds it, which is its class; empty at the top.
        stem: File name without its ending.
    """

    path: str
    group: str
    stem: str

    @property
    def listed(self) -> str:
        """The name under which split lists know it: ``class/stem``, or ``stem`` without a class."""
        return f"{self.group}/{self.stem}" if self.group else self.stem


def _refuse_folder(error: OSError) -> None:
    # os.walk passes over folders that it cannot read, unless it is told.
    raise DataError(f"{error.filename}: the folder cannot be read ({error.strerror})") from error


class ImageSource:
    """Reads the files of a folder or of a .zip archive; each process needs its own.

    Args:
        path: Folder or archive.

    Raises:
        DataError: If there is nothing of that name, or it is neither a folder nor a readable .zip archive.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._archive = None
        if self.path.is_dir():
            return
        if not self.path.exists():
            raise DataError(f"{self.path}: no such folder or archive")
        try:
            self._archive = zipfile.ZipFile(self.path)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise DataError(
                f"{self.path}: not a readable .zip archive ({error}); an incomplete download? "
                "Fetch it again, or give the folder it was unpacked to"
            ) from error

    def files(self) -> list[str]:
        """List every file, sorted, with forward slashes and relative to the source."""
        if self._archive is not None:
            return sorted(name for name in self._archive.namelist() if not name.endswith("/"))
        found = []
        for folder, _, names in os.walk(self.path, onerror=_refuse_folder):
            inside = Path(folder).relative_to(self.path)
            found.extend((inside / name).as_posix() for name in names)
        return sorted(found)

    def read(self, path: str) -> bytes:
        """Read one file.

        Args:
            path: As :meth:`files` gives it.

        Raises:
            DataError: If it cannot be read, or the archive's checksum of it is wrong.
        """
        try:
            if self._archive is not None:
                return self._archive.read(path)
            return (self.path / path).read_bytes()
        except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            # RuntimeError: an encrypted member, or one packed by a method that Python does not know.
            raise DataError(f"{path} in {self.path}: cannot be read ({error})") from error

    def close(self) -> None:
        """Close the archive, if it is one."""
        if self._archive is not None:
            self._archive.close()


def is_image_path(path: str) -> bool:
    """Tell whether a path has an image's ending and is not a hidden file, such as those that macOS adds to archives."""
    pure = PurePosixPath(path)
    return pure.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in pure.parts)


def describe_image(path: str, depth: int | None) -> SourceImage:
    """Split a path into class and name.

    Args:
        path: As :meth:`ImageSource.files` gives it.
        depth: How many leading folders do not belong to the class; ``None`` takes the innermost folder alone.
    """
    pure = PurePosixPath(path)
    folders = pure.parts[:-1]
    group = "/".join(folders[-1:] if depth is None else folders[depth:])
    return SourceImage(path=path, group=group, stem=pure.stem)


def common_depth(paths: list[str]) -> int:
    """Count the folders at the front that all paths share, so that a wrapping folder does not become a class.

    A source whose images all lie in one folder has no classes.
    """
    if not paths:
        return 0
    shared = PurePosixPath(paths[0]).parts[:-1]
    for path in paths[1:]:
        parts = PurePosixPath(path).parts[:-1]
        same = 0
        while same < min(len(shared), len(parts)) and shared[same] == parts[same]:
            same += 1
        shared = shared[:same]
    return len(shared)
