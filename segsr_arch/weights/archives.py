"""Whether an archive that torch has written is the one that it wrote, down to the last bit.

``torch.save`` writes a zip archive with a CRC-32 of each record, and ``torch.load`` never looks at it. Checksums cover
records alone; names, lengths, offsets and padding around them are compared with what torch writes for such records,
so that no bit of the file is left out.
"""

import errno
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

_CHUNK = 4 * 2**20
# Formats of what stands in front of a record, and of its entry in the directory (PKWARE, APPNOTE 6.3, 4.3).
_FRONT = struct.Struct("<4s5H3L2H")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_ZIP64 = 0xFFFFFFFF
# Files that differ in more bits from what torch writes have been written by something else, and not been damaged.
_DAMAGED_BITS = 16


class DamagedArchiveError(Exception):
    """The archive is not as it was written; the message says where."""


def check_archive(path: Path) -> bool:
    """Compare an archive with its checksums, and all around its records with what torch writes.

    One pass over the file in pieces of 4 MB takes what computing CRC-32 takes, about 1.5 s a GB on a slow core. In
    archives that something else than torch has written, the bytes that no reader looks at are left alone.

    Args:
        path: A zip archive.

    Returns:
        Whether it has checksums (``torch.serialization.set_crc32_options(False)`` leaves them out).

    Raises:
        DamagedArchiveError: If a bit is not as it was written.
        OSError: If the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            records = sorted(archive.infolist(), key=lambda record: record.header_offset)
            has_checksums = any(record.CRC for record in records) or not any(record.file_size for record in records)
            for record in records:
                _check_record(archive, record, has_checksums)
            with path.open("rb") as file:
                _check_structure(file, archive.infolist(), archive.start_dir)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, RuntimeError) as error:
        raise DamagedArchiveError(str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # what the system says of an offset before the file's first byte
            raise
        raise DamagedArchiveError("an offset in its directory lies outside of it") from error
    return has_checksums


def _check_record(archive: zipfile.ZipFile, record: zipfile.ZipInfo, has_checksums: bool) -> None:
    if record.compress_type == zipfile.ZIP_STORED and record.compress_size != record.file_size:
        raise DamagedArchiveError(f"{record.filename} has two lengths")
    with archive.open(record) as content:  # compares the name with the one in front of the record
        if has_checksums:
            while content.read(_CHUNK):  # and, at its end, the checksum
                pass


def _check_structure(file: BinaryIO, records: Sequence[zipfile.ZipInfo], directory: int) -> None:
    differing, first = 0, ""
    for what, offset, expected in _expected_structure(records, directory):
        file.seek(offset)
        found = file.read(len(expected))
        if found != expected:
            first = first or what
            differing += _differing_bits(found, expected)
    length = file.seek(0, 2)
    if _count_at_end(file, length) not in (len(records), 0xFFFF):
        raise DamagedArchiveError("its directory lacks records")
    if differing and differing <= _DAMAGED_BITS:
        raise DamagedArchiveError(f"{first} is not what torch writes")
    end = offset + len(expected)
    if not differing and length != end:
        raise DamagedArchiveError(f"{length - end} bytes follow its end")


def _count_at_end(file: BinaryIO, length: int) -> int:
    """How many records the end of the directory claims; 65535 where it says that elsewhere."""
    file.seek(max(length - 2**16 - 22, 0))
    tail = file.read()
    (count,) = struct.unpack_from("<H", tail, tail.rfind(b"PK\5\6") + 10)
    return int(count)


def _differing_bits(found: bytes, expected: bytes) -> int:
    missing = 8 * (len(expected) - len(found))
    return missing + sum((one ^ other).bit_count() for one, other in zip(found, expected, strict=False))


def _expected_structure(records: Sequence[zipfile.ZipInfo], directory: int) -> Iterator[tuple[str, int, bytes]]:
    """What torch writes around and behind the records of a directory: what it is, its offset and its bytes."""
    in_file = sorted(records, key=lambda record: record.header_offset)
    ends = [record.header_offset for record in in_file[1:]] + [directory]
    for record, end in zip(in_file, ends, strict=True):
        yield from _around_record(record, end)
    entries = b"".join(map(_directory_entry, records))
    count, size = len(records), len(entries)
    yield "the directory at its end", directory, entries
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 0x031E, 45, 0, 0, count, count, size, directory)
    pointer = struct.pack("<4sLQL", b"PK\6\7", 0, directory + size, 1)
    counts, places = (min(count, 0xFFFF),) * 2, (min(size, _ZIP64), min(directory, _ZIP64))
    last = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *counts, *places, 0)
    yield "its end", directory + size, wide + pointer + last


def _directory_entry(record: zipfile.ZipInfo) -> bytes:
    name = record.filename.encode()
    checksum = record.CRC if record.file_size else 0
    sizes = (record.compress_size, record.file_size)
    kind = (0, _version(record), _flags(record), record.compress_type, 0, 0)
    return _ENTRY.pack(b"PK\1\2", *kind, checksum, *sizes, len(name), 0, 0, 0, 0, 0, record.header_offset) + name


def _around_record(record: zipfile.ZipInfo, end: int) -> Iterator[tuple[str, int, bytes]]:
    if max(record.compress_size, record.file_size, record.header_offset) >= _ZIP64:
        return  # its lengths stand elsewhere; what a reader takes from them has been compared already
    name = record.filename.encode()
    behind = struct.pack("<4s3L", b"PK\7\10", record.CRC, record.compress_size, record.file_size)
    if not record.file_size:
        behind = b""
    padding = end - len(behind) - record.compress_size - record.header_offset - _FRONT.size - len(name)
    padding = max(padding, 4)  # of torch; what is less was written by something else
    kind = (_version(record), _flags(record), record.compress_type, 0, 0)
    front = _FRONT.pack(b"PK\3\4", *kind, 0, 0, 0, len(name), padding) + name
    front += struct.pack("<2sH", b"FB", padding - 4) + b"Z" * (padding - 4)
    yield f"what stands before {record.filename}", record.header_offset, front
    yield f"what stands behind {record.filename}", end - len(behind), behind


def _version(record: zipfile.ZipInfo) -> int:
    return 20 if record.compress_type == zipfile.ZIP_DEFLATED else 0


def _flags(record: zipfile.ZipInfo) -> int:
    """Names are UTF-8; the lengths and the checksum of a record that is not empty stand behind it."""
    return 0x0808 if record.file_size else 0x0800
