"""Images that are saved whole or not at all."""

import os
from pathlib import Path

import cv2

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.errors import SaveError
from segsr_arch.files.atomic import atomic_write


def imwrite(img, file_path, params=None, auto_mkdir=True):
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


def repair_image_saving():
    """Save images whole, and name the one that cannot be saved.

    Cause: OpenCV writes in place and says nothing when the disk is full, which leaves a file that is cut short; where
    it notices, ``imwrite`` raises "Failed in writing images." without a name.

    Returns:
        True if it was stock.
    """
    from basicsr.utils import img_util

    if not is_stock(img_util.imwrite, "imwrite", "makedirs"):
        return False
    substitute(img_util.imwrite, imwrite)
    return True
