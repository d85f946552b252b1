"""Where a data set's images come from: a folder, a .zip archive, or a folder of them, read without unpacking."""

import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from segsr_arch.errors import DataError
from segsr_arch.images.formats import IMAGE_SUFFIXES
from segsr_arch.sources.archives import Archive
from segsr_arch.sources.folder_walk import walk


class ImageSource:
    """Reads the files of a folder or of a .zip archive; each process needs its own.

    Backslashes in names divide folders, as where the names were made.

    Args:
        path: Folder or archive.
        parts: Whether a .zip archive in a folder stands for a folder of its name, which holds what is in it.

    Attributes:
        left_out: What :meth:`files` did not list although it might hold images: path and what is wrong.
        empty_folders: Folders that it found to hold nothing, sorted.

    Raises:
        DataError: If there is nothing of that name, or it is neither a folder nor a readable .zip archive.
    """

    def __init__(self, path: str | os.PathLike[str], *, parts: bool = False) -> None:
        self.path = Path(path)
        self._reads_parts = parts
        self._parts: dict[str, Archive] = {}
        self.left_out: list[tuple[str, str]] = []
        self.empty_folders: list[str] = []
        self._stored: dict[str, str] | None = None
        if not self.path.exists():
            raise DataError(f"{self.path}: no such folder or archive")
        self._archive = None if self.path.is_dir() else Archive(self.path)

    def files(self) -> list[str]:
        """List every file, sorted, with forward slashes and relative to the source.

        Raises:
            DataError: If a folder cannot be read.
        """
        if self._stored is None:
            self._stored = self._places(self._stored_names())
        return sorted(self._stored)

    def _stored_names(self) -> list[str]:
        if self._archive is not None:
            self.left_out += self._archive.left_out
            return list(self._archive.members)
        folders = list(walk(self.path, self.left_out))
        parents = {str(PurePosixPath(folder).parent) for folder, _ in folders if folder != "."}
        self.empty_folders = sorted(folder for folder, names in folders if not names and folder not in parents)
        found = [name if folder == "." else f"{folder}/{name}" for folder, names in folders for name in names]
        if self._reads_parts:
            self._parts = {name: Archive(self.path / name) for name in found if _is_part(name)}
        return [inside for name in found for inside in self._inside(name)]

    def _inside(self, name: str) -> list[str]:
        """Name what is in a part, or the file itself if it is none."""
        part = self._parts.get(name)
        if part is None:
            return [name]
        self.left_out += [(f"{name}/{member}", problem) for member, problem in part.left_out]
        return [f"{name}/{member}" for member in part.members]

    def _places(self, names: Iterable[str]) -> dict[str, str]:
        """Find the path of each stored name in the source; gives the names by their paths."""
        places: dict[str, str] = {}
        for stored in names:
            name = stored.replace("\\", "/")
            parts = [part for part in name.split("/") if part not in ("", ".")]
            if name.startswith("/") or ".." in parts or parts[0].endswith(":"):
                self.left_out.append((stored, "its path leads out of the source; left out"))
            elif (other := places.setdefault("/".join(parts), stored)) is not stored:
                self.left_out.append((stored, f"{other} lies there too; left out"))
        return places

    def stored_name(self, path: str) -> str:
        """Give the name under which the source itself has a file that :meth:`files` listed."""
        return (self._stored or {}).get(path, path)

    def read(self, path: str) -> bytes:
        """Read one file.

        Args:
            path: As :meth:`files` gives it.

        Raises:
            DataError: If it cannot be read, or the archive's checksum of it is wrong.
        """
        if self._stored is None and (self._archive is not None or not (self.path / path).exists()):
            self.files()
        stored = self.stored_name(path)
        if self._archive is not None:
            return self._archive.read(stored)
        for name, part in self._parts.items():
            if stored.startswith(f"{name}/"):
                return part.read(stored[len(name) + 1 :])
        try:
            return (self.path / stored).read_bytes()
        except OSError as error:
            raise DataError(f"{path} in {self.path}: cannot be read ({error})") from error

    def close(self) -> None:
        """Close the archives."""
        for archive in (self._archive, *self._parts.values()):
            if archive is not None:
                archive.close()


def _is_part(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.suffix.lower() == ".zip" and not pure.name.startswith(".")


def is_image_path(path: str) -> bool:
    """Tell whether a path has an image's ending and is not a hidden file, such as those that macOS adds to archives."""
    pure = PurePosixPath(path)
    return pure.suffix.lower() in IMAGE_SUFFIXES and not any(part.startswith((".", "__MACOSX")) for part in pure.parts)


def folders_with_images(folder: str | os.PathLike[str]) -> list[str]:
    """Name the folders in a folder that hold images themselves, links to folders included, hidden ones not."""
    below = sorted(path for path in Path(folder).iterdir() if path.is_dir() and not path.name.startswith("."))
    return [path.name for path in below if any(map(is_image_path, os.listdir(path)))]
