"""What the operating system refuses while a raster is written, in a sentence."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from segsr_arch.errors import SaveError


@contextlib.contextmanager
def refusals_told(dst: Path) -> Iterator[None]:
    """Have a refusal of the operating system name the file, and say what is kept and what helps.

    Args:
        dst: What is written.

    Raises:
        SaveError: If the operating system refuses.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, SaveError):
            raise
        free = ""
        with contextlib.suppress(OSError):
            free = f" ({shutil.disk_usage(dst.parent).free / 2**20:.1f} MB free in {dst.parent})"
        raise SaveError(
            f"{dst}: cannot be written: {error.strerror or error}{free}. What was done so far is kept beside it, "
            f"hidden. Free some space or mend the folder, then start the same again: it goes on from there."
        ) from error
