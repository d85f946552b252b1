"""Writing files of weights."""

import os
from typing import Any

import torch

from segsr_arch.files.atomic import atomic_write


def atomic_torch_save(content: Any, path: str | os.PathLike[str]) -> None:
    """``torch.save`` through :func:`~segsr_arch.files.atomic.atomic_write`.

    Args:
        content: What ``torch.save`` takes.
        path: Where the file shall be.

    Raises:
        SaveError: If it cannot be written; a file that was there before is intact.
    """
    with atomic_write(path) as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # what torch makes of an OSError while it writes
            raise OSError(str(error.__context__ or error)) from error
