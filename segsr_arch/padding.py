"""Padding on the right and at the bottom by reflection, for images of any size."""

from typing import cast

import torch
from torch import Tensor

from segsr_arch.tracing import is_exporting


def reflected_indices(size: int, padded: int, device: torch.device | None = None) -> Tensor:
    """Indices (padded,) into an axis of ``size`` entries that continue it by reflection, as often as needed.

    The edge is not repeated (0 1 2 1 0 1 ...); an axis of one entry repeats it.
    """
    period = torch.full((), _larger(2 * (size - 1), 1), dtype=torch.long, device=device)
    position = torch.arange(padded, device=device) % period
    return torch.minimum(position, period - position)


def _larger(one: int, other: int) -> int:
    """The larger of two sizes, which may be symbols of a program; torch.compile of 2.11 cannot read ``sym_max``."""
    return cast(int, torch.sym_max(one, other)) if is_exporting() else max(one, other)


def pad_to_multiple(images: Tensor, multiple: int, *, minimum: int = 1) -> Tensor:
    """Pad (..., H, W) by reflection so that height and width are multiples of ``multiple``.

    Args:
        images: (..., H, W), any size of at least one pixel.
        multiple: Side of the grid.
        minimum: Least height and width of the result; a multiple of ``multiple``.

    Returns:
        The padded images; the input itself when nothing is to do.
    """
    height, width = images.shape[-2:]
    # Rounded up without a negative number: ONNX would round its quotient towards zero.
    padded_height, padded_width = ((side + multiple - 1) // multiple * multiple for side in (height, width))
    if minimum > multiple:
        padded_height, padded_width = (_larger(side, minimum) for side in (padded_height, padded_width))
    any_size = is_exporting()  # a question about the size would be an assumption of the program
    if any_size or padded_height != height:
        images = images.index_select(-2, reflected_indices(height, padded_height, images.device))
    if any_size or padded_width != width:
        images = images.index_select(-1, reflected_indices(width, padded_width, images.device))
    return images


def crop(images: Tensor, height: int, width: int) -> Tensor:
    """Cut (..., H, W) to its first ``height`` rows and ``width`` columns: what :func:`pad_to_multiple` added."""
    if is_exporting():
        # A slice is asked whether it leaves anything out, and the program would hold for such sizes alone.
        rows, columns = (torch.arange(size, device=images.device) for size in (height, width))
        return images.index_select(-2, rows).index_select(-1, columns)
    return images[..., :height, :width]
