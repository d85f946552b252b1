"""Digests of files, and whether a file in a cache is the one that its name says."""

import hashlib
import os
import re
from pathlib import Path

from segsr_arch.errors import WeightsFileError


def file_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 (64 hex digits) of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_blob(path: Path) -> None:
    """Compare a file of the Hugging Face cache, where large files are named by their SHA-256, with its name.

    Args:
        path: Any file; one of another name is left alone.

    Raises:
        WeightsFileError: If its content is another.
    """
    blob = path.resolve()
    if re.fullmatch(r"[0-9a-f]{64}", blob.name) and file_digest(blob) != blob.name:
        raise WeightsFileError(
            f"{path} cannot be read: it is damaged, for its SHA-256 is not {blob.name[:12]}..., by which the cache of "
            f"Hugging Face knows it. Delete {blob} and {path}, and fetch it again."
        )


def is_as_named(path: Path) -> bool:
    """Whether a file of torch's hub begins its SHA-256 as its name says (``NAME-<8 or more digits>.pth``).

    Args:
        path: Any file; one of another name says nothing, and is.
    """
    found = re.search(r"-([0-9a-f]{8,64})\.", path.name)
    return found is None or file_digest(path).startswith(found[1])
