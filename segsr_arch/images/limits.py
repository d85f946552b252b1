"""How large an image may be: no larger than its file can hold, and than the memory at hand."""

from pathlib import Path
from typing import Any

from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.header import ImageHeader

resource: Any
try:
    import resource
except ImportError:  # another system than Unix
    resource = None

# Bytes that one byte can stand for at the very most. Deflate: 258 bytes in two bits and a little. LZW: a string of at
# most 3840 bytes in 12 bits. PackBits: 128 in two. JPEG: a bit for each block of 8 x 8 samples.
EXPANSIONS = {"none": 1, "deflate": 1032, "lzw": 2560, "packbits": 64, "jpeg": 512}
_SLACK = 1 << 16
_ALWAYS_THERE = 1 << 28
_GIBIBYTE = 1 << 30


def check_claim(header: ImageHeader, *, claimed: int, held: int, coding: str | None) -> None:
    """Make sure that a file can hold the image that its header claims.

    Args:
        header: The header.
        claimed: Bytes of samples that the header claims.
        held: Bytes of coded samples in the file.
        coding: How they are coded, a key of ``EXPANSIONS``; anything else has no bound.

    Raises:
        ImageReadError: If it cannot.
    """
    expansion = None if coding is None else EXPANSIONS.get(coding)
    if expansion is not None and claimed > held * expansion + _SLACK:
        raise ImageReadError(
            f"its header claims {header.width} x {header.height} pixels ({size_in_words(claimed)}), and its {held} "
            "bytes of image data cannot hold them; it is damaged or made up"
        )


def check_memory(header: ImageHeader) -> None:
    """Make sure that the decoded image fits into the memory at hand; small ones always do.

    Raises:
        ImageReadError: If it does not.
    """
    needed = header.decoded_bytes
    if needed <= _ALWAYS_THERE:
        return
    available = available_memory()
    if available is not None and needed > available:
        raise ImageReadError(
            f"{header.width} x {header.height} pixels, {header.described_bands}, need {size_in_words(needed)} of "
            f"memory, and {size_in_words(available)} are free; cut it into tiles"
        )


def size_in_words(size: int) -> str:
    """Give a number of bytes as GiB, or as MiB below one."""
    return f"{size / _GIBIBYTE:,.1f} GiB" if size >= _GIBIBYTE else f"{size / (1 << 20):.1f} MiB"


def available_memory() -> int | None:
    """Bytes that this process can still take: the machine's, less where a limit is set; ``None`` if nothing says so."""
    found = [_machine_memory(), _below_process_limit(), _below_group_limit()]
    return min((size for size in found if size is not None), default=None)


def _machine_memory() -> int | None:
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None


def _below_process_limit() -> int | None:
    if resource is None:
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = " ".join(_lines("/proc/self/statm")).split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return max(0, int(limit) - int(pages[0]) * int(resource.getpagesize()))


def _below_group_limit() -> int | None:
    limit, used = (" ".join(_lines(f"/sys/fs/cgroup/memory.{name}")) for name in ("max", "current"))
    if not (limit.isdecimal() and used.isdecimal()):
        return None
    kinds = dict(line.split() for line in _lines("/sys/fs/cgroup/memory.stat"))
    # What the system keeps of files that were read counts as used, up to the limit, and makes room for what is asked.
    kept = sum(int(kinds.get(kind, 0)) for kind in ("active_file", "inactive_file"))
    return max(0, int(limit) - int(used) + kept)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="ascii").splitlines()
    except OSError:  # another system than Linux
        return []
