"""Guidance maps as an evaluation keeps them."""

import math
import tokenize
import zipfile
import zlib

import numpy as np
import torch
from torch import Tensor

from segsr_arch.errors import DataError
from segsr_arch.results.references import ImageReference
from segsr_arch.semantics.maps import resize_maps

# What numpy raises for files that are damaged, empty, or of another kind.
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    SyntaxError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_LARGEST = 1.01  # of a cosine, rounded


def read_maps(reference: ImageReference, *, size: tuple[int, int], cells: float = 1.0) -> Tensor:
    """Read the maps of one image onto a grid, aligned by position in the image.

    Args:
        reference: A ``.npz`` file with ``maps`` (k, Hc, Wc), cosines on the patch grid, and ``cells_per_pixel``, the
            side of an LR pixel in cells of that grid.
        size: Height and width of the grid that is wanted.
        cells: Side of a cell of that grid in LR pixels: 1 for the LR image, 1 / scale for the SR image.

    Returns:
        (k, height, width) float32 in [-1, 1], interpolated bilinearly as the network does.

    Raises:
        DataError: If the file is not there, or holds something else.
    """
    maps, step = read_grid(reference)
    return resize_maps(maps[None], size, step=step * cells)[0]


def read_grid(reference: ImageReference) -> tuple[Tensor, float]:
    """Read the maps of one image as they are kept.

    Args:
        reference: As for :func:`read_maps`.

    Returns:
        (k, Hc, Wc) float32 in [-1, 1] on the patch grid, and the side of an LR pixel in cells of that grid.

    Raises:
        DataError: If the file is not there, or holds something else.
    """
    found, cells_per_pixel = read_arrays(reference, "maps", "cells_per_pixel", what="guidance maps")
    maps = torch.from_numpy(found.astype(np.float32))
    if cells_per_pixel.size != 1:
        raise DataError(f"{reference}: holds no guidance maps (cells_per_pixel is no number); evaluate again.")
    step = float(cells_per_pixel.item())
    if maps.ndim != 3 or not maps.numel() or not torch.isfinite(maps).all():
        raise DataError(f"{reference}: expected finite maps (k, Hc, Wc), found {tuple(maps.shape)}; evaluate again.")
    if not (math.isfinite(step) and step > 0) or maps.abs().max() > _LARGEST:
        raise DataError(f"{reference}: holds no cosines on a patch grid (cells_per_pixel {step:g}); evaluate again.")
    return maps, step


def read_arrays(reference: ImageReference, *names: str, what: str) -> tuple[np.ndarray, ...]:
    """Read numbers of a ``.npz`` file.

    Args:
        reference: The file.
        names: Which arrays.
        what: What they are, for messages.

    Raises:
        DataError: If the file is not there, is damaged, or lacks one, or one holds no numbers.
    """
    try:
        with np.load(reference.path, allow_pickle=False) as content:
            arrays = tuple(content[name] for name in names)
            for array in arrays:
                array.astype(np.float32)
    except FileNotFoundError as error:
        raise DataError(f"{reference}: the {what} are not there; were they moved or deleted?") from error
    except _BROKEN as error:
        raise DataError(f"{reference}: holds no {what} ({error}); evaluate again.") from error
    return arrays
