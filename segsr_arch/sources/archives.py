"""Images in a .zip archive, read without unpacking it, and without trusting what its list says of them."""

import contextlib
import io
import lzma
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from segsr_arch.errors import DataError

LARGEST = 4 * 2**30
"""Bytes of the largest member that is read: an image of 20000 x 20000 pixels with 16 bits takes 2.4 GB."""
_SUSPICIOUS = 256 * 2**20
_HIGHEST_RATIO = 100  # images of the largest kind, which are not compressed themselves, shrink to a tenth at best
_CHUNK = 2**20
_ENCRYPTED = 0x1
_UTF8 = 0x800

_OTHERS = {  # how archives begin that Python does not open, and programs that do
    b"Rar!": ("a .rar archive", "unrar x FILE, 7z x FILE or bsdtar -xf FILE"),
    b"7z\xbc\xaf\x27\x1c": ("a .7z archive", "7z x FILE or bsdtar -xf FILE"),
    b"\x1f\x8b": ("packed with gzip, as .tar.gz archives are", "tar -xf FILE"),
    b"BZh": ("packed with bzip2, as .tar.bz2 archives are", "tar -xf FILE"),
    b"\xfd7zXZ": ("packed with xz, as .tar.xz archives are", "tar -xf FILE"),
}
_TAR = (257, b"ustar")
OTHER_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
"""Endings of archives that are not read here."""

BROKEN = (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)
"""What Python raises for damaged archives and members, for encrypted ones, and for methods that it does not know."""


class Archive:
    """A .zip archive; each process needs its own.

    Args:
        path: The file.

    Attributes:
        members: What can be read, by name with forward slashes.
        left_out: Names of what cannot, each with what is wrong.

    Raises:
        DataError: If it is no readable .zip archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        _refuse_other_kind(path)
        try:
            self._file = zipfile.ZipFile(path)
        except BROKEN as error:
            raise DataError(
                f"{path}: not a readable .zip archive ({error}); an incomplete download? "
                "Fetch it again, or give the folder it was unpacked to"
            ) from error
        self.members: dict[str, zipfile.ZipInfo] = {}
        self.left_out: list[tuple[str, str]] = []
        for member in self._file.infolist():
            name = _name_of(member)
            if name.endswith(("/", "\\")):
                continue
            problem = _problem_of(member)
            if problem:
                self.left_out.append((name, f"{problem}; left out"))
                continue
            if name in self.members:
                self.left_out.append((name, "is in the archive again; the last one counts, as if it was unpacked"))
            self.members[name] = member

    def read(self, name: str) -> bytes:
        """Read a member.

        Raises:
            DataError: If it is not there, damaged, or larger than the archive says.
        """
        member = self.members.get(name)
        if member is None:
            raise DataError(f"{name} in {self.path}: is not there, or left out")
        try:
            # In pieces: at one go, zlib would unpack all of a member that is larger than the list says.
            with self._file.open(member) as stream:
                content = io.BytesIO()
                while piece := stream.read(_CHUNK):
                    content.write(piece)
            return content.getvalue()
        except BROKEN as error:
            raise DataError(f"{name} in {self.path}: cannot be read ({error})") from error
        except MemoryError as error:
            size = f"{member.file_size / 2**30:.1f} GiB"
            raise DataError(f"{name} in {self.path}: its {size} are more than the memory holds") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _refuse_other_kind(path: Path) -> None:
    """Say of archives of another kind with what they can be unpacked."""
    try:
        with open(path, "rb") as file:
            start = file.read(_TAR[0] + len(_TAR[1]))
    except OSError:
        return  # which is said where it is opened
    kind = next((found for signature, found in _OTHERS.items() if start.startswith(signature)), None)
    if kind is None and start[_TAR[0] :] == _TAR[1]:
        kind = ("a .tar archive", "tar -xf FILE")
    if kind is not None:
        what, programs = kind
        raise DataError(
            f"{path}: is {what}, and .zip archives alone are read as they are; extract it "
            f"({programs.replace('FILE', path.name)}), and give the folder"
        )


def _name_of(member: zipfile.ZipInfo) -> str:
    """Give a member's name as it was meant: Python takes names for code page 437 unless they are marked as UTF-8."""
    name = member.orig_filename
    if not member.flag_bits & _UTF8 and not name.isascii():
        with contextlib.suppress(UnicodeError):  # macOS does not mark them, and hardly any other text is valid UTF-8
            name = name.encode("cp437").decode("utf-8")
    return name


def _problem_of(member: zipfile.ZipInfo) -> str | None:
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, which leads nowhere in an archive; unpack it, and give the folder"
    if member.flag_bits & _ENCRYPTED:
        return "encrypted; unpack the archive with its password, and give the folder"
    size, packed = member.file_size, member.compress_size
    if size > LARGEST or (size > _SUSPICIOUS and size > _HIGHEST_RATIO * packed):
        return f"would unpack from {packed} to {size} bytes, which no image does"
    return None
