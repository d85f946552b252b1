"""Images are saved whole or not at all.

Symptom: after a full disk, images that are cut short; "Failed in writing images." without a name.
Cause: OpenCV writes in place and says nothing when the disk is full; where it notices, ``imwrite`` names no file.
"""

import os
from pathlib import Path

import cv2
import numpy as np

from segsr_arch.compat.patching import replace_stock
from segsr_arch.errors import SaveError
from segsr_arch.files.atomic import atomic_write


def repair() -> bool:
    """Write beside, flush and rename; name the image that cannot be saved."""
    from basicsr.utils import img_util

    return replace_stock(img_util, "imwrite", imwrite, uses=("imwrite", "makedirs"))


def imwrite(
    img: np.ndarray, file_path: str | os.PathLike[str], params: list[int] | None = None, auto_mkdir: bool = True
) -> None:
    """Save an image; takes the place of ``basicsr.utils.imwrite``.

    Args:
        img: (H, W) or (H, W, C) array, BGR or BGRA, as OpenCV writes it.
        file_path: Where; its ending gives the format.
        params: As for ``cv2.imwrite``.
        auto_mkdir: Whether the folder is made.

    Raises:
        SaveError: If it cannot be saved; a file that was there before is intact.
    """
    path = Path(file_path)
    try:
        encoded, content = cv2.imencode(path.suffix, img, params or [])
    except cv2.error as error:
        raise SaveError(f"Cannot write {path}: OpenCV refuses it ({error.err or error}).") from error
    if not encoded:
        raise SaveError(f"Cannot write {path}: OpenCV cannot encode an image of shape {img.shape} in that format.")
    if auto_mkdir:
        try:
            os.makedirs(path.parent, exist_ok=True)
        except OSError as error:
            raise SaveError(f"Cannot write {path}: its folder cannot be made ({error.strerror}).") from error
    with atomic_write(path) as file:
        file.write(content.tobytes())
