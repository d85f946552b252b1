"""Saying what is done to images, once for the images of a folder."""

import logging
import os
from collections.abc import Iterable

from segsr_arch.images.conversion import Note
from segsr_arch.images.errors import Finding

logger = logging.getLogger(__name__)
_said: set[tuple[Finding, str]] = set()  # workers that are forked know what their parent has said


def is_new(finding: Finding, folder: str) -> bool:
    """Whether a finding has not been said yet of a folder (or LMDB); from now on it has."""
    if (finding, folder) in _said:
        return False
    _said.add((finding, folder))
    return True


def say_once(notes: Iterable[Note], source: str, folder: str | None = None) -> None:
    """Log what was done to an image, unless it was said of another image of its folder.

    Args:
        notes: What was done.
        source: The image, for the message.
        folder: Its folder or LMDB; ``None`` takes that of the path ``source``.
    """
    place = os.path.dirname(source) if folder is None else folder
    for finding, sentence in notes:
        if is_new(finding, place):
            logger.warning(f"{source}: {sentence} (said once for {place or 'this folder'}).")


def forget_said() -> None:
    """Say everything anew."""
    _said.clear()
