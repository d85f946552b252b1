"""What an LMDB in BasicSR's layout holds, checked before anything maps it: its pages, and that its list is as long.

A process that reads a mapped page behind the end of a file is killed (SIGBUS), so no LMDB is opened before its
file is known to have every page that it claims.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from segsr_arch.errors import DataError
from segsr_arch.sources.name_lists import read_meta_info
from segsr_arch.text import printable

_MAGIC = 0xBEEFC0DE
# Of a meta page: header; magic number; version, address, size of the map; the database of free pages, whose first field
# is the page size; of the main database the number of entries; last page in use, number of the transaction.
_META = struct.Struct("=16x I20x I44x 32xQ8x QQ")


class _Meta(NamedTuple):
    magic: int
    page_size: int
    entries: int
    last_page: int
    transaction: int


@dataclass(frozen=True)
class Pages:
    """What the newest meta page of an LMDB claims.

    Attributes:
        size: Bytes that its pages take.
        entries: Number of keys.
    """

    size: int
    entries: int


def check_pages(folder: str | os.PathLike[str]) -> Pages:
    """Make sure that an LMDB is as long as it claims, without mapping it.

    Args:
        folder: The LMDB's folder.

    Returns:
        What it claims.

    Raises:
        DataError: If it cannot be read, is no LMDB, or is shorter than its pages.
    """
    path = Path(folder) / "data.mdb"
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            first = _read_meta(file.read(_META.size))
            file.seek(0 if first is None else first.page_size)
            second = _read_meta(file.read(_META.size))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); is the LMDB whole? Copy it again") from error
    if first is None or second is None:
        raise DataError(f"{path}: is no LMDB, or only the beginning of one ({size} bytes); copy it again")
    newest = max(first, second, key=lambda meta: meta.transaction)
    claimed = (newest.last_page + 1) * first.page_size
    if claimed > size:
        raise DataError(
            f"{path}: has {size} bytes, but its pages take {claimed}: it was copied in part, or the disk was full; "
            f"copy it again"
        )
    return Pages(size=claimed, entries=newest.entries)


def _read_meta(data: bytes) -> _Meta | None:
    meta = _Meta(*_META.unpack(data)) if len(data) == _META.size else None
    return meta if meta is not None and meta.magic == _MAGIC and meta.page_size >= _META.size else None


def read_whole_list(folder: str | os.PathLike[str]) -> dict[str, tuple[int, int]]:
    """Check an LMDB's pages and read its list, which must name as many images as there are.

    Returns:
        As :func:`read_meta_info`.

    Raises:
        DataError: See :func:`check_pages` and :func:`read_meta_info`; or if list and LMDB differ in number.
    """
    sizes, entries = read_meta_info(folder), check_pages(folder).entries
    if len(sizes) != entries:
        raise DataError(
            f"{printable(str(folder))}: meta_info.txt lists {len(sizes)} images, but the LMDB holds {entries}; copy it "
            f"again, or prepare it anew"
        )
    return sizes
