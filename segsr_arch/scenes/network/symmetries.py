"""The eight flips and rotations of a square, by number: 0 changes nothing."""

import torch
from torch import Tensor

from segsr_arch.windows import Window

COUNT = 8


def turned(images: Tensor, symmetry: int) -> Tensor:
    """Turn images (..., H, W): from 4 on they are mirrored, left to right, and then turned by quarters to the left."""
    return torch.rot90(images.flip(-1) if symmetry >= 4 else images, symmetry % 4, (-2, -1))


def turned_back(images: Tensor, symmetry: int) -> Tensor:
    """Undo :func:`turned`."""
    back = torch.rot90(images, -(symmetry % 4), (-2, -1))
    return back.flip(-1) if symmetry >= 4 else back


def place_before(part: Window, whole: Window, symmetry: int) -> Window:
    """Find where a part of a turned tile lay before.

    Args:
        part: Place in the turned tile.
        whole: Place of the tile in its scene.
        symmetry: How it was turned.

    Returns:
        The part's place in the scene.
    """
    height, width = (whole.width, whole.height) if symmetry % 2 else (whole.height, whole.width)
    top, left, rows, columns = part.top, part.left, part.height, part.width
    for _ in range(symmetry % 4):  # a quarter to the right, as often as it was turned to the left
        top, left, rows, columns = left, height - top - rows, columns, rows
        height, width = width, height
    if symmetry >= 4:
        left = width - left - columns
    return Window(top=whole.top + top, left=whole.left + left, height=rows, width=columns)


def place_after(part: Window, whole: Window, symmetry: int) -> Window:
    """Find where a part of a tile lies when the tile is turned.

    Args:
        part: Place in the scene.
        whole: Place of the tile in the scene, which holds the part.
        symmetry: How it is turned.

    Returns:
        The part's place in the turned tile.
    """
    height, width = (whole.width, whole.height) if symmetry % 2 else (whole.height, whole.width)
    undoing = symmetry if symmetry >= 4 else -symmetry % 4  # a mirrored turn undoes itself
    return place_before(part.relative_to(whole), Window(height=height, width=width), undoing)
