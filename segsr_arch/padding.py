"""Padding on the right and at the bottom by reflection, for images of any size."""

import torch
from torch import Tensor


def reflected_indices(size: int, padded: int, device: torch.device | None = None) -> Tensor:
    """Indices (padded,) into an axis of ``size`` entries that continue it by reflection, as often as needed.

    The edge is not repeated (0 1 2 1 0 1 ...); an axis of one entry repeats it.
    """
    if size == 1:
        return torch.zeros(padded, dtype=torch.long, device=device)
    period = 2 * (size - 1)
    position = torch.arange(padded, device=device) % period
    return torch.minimum(position, period - position)


def pad_to_multiple(images: Tensor, multiple: int) -> Tensor:
    """Pad (..., H, W) by reflection so that height and width are multiples of ``multiple``.

    Args:
        images: (..., H, W), any size of at least one pixel.
        multiple: Side of the grid.

    Returns:
        The padded images; the input itself when nothing is to do.
    """
    height, width = images.shape[-2:]
    padded_height, padded_width = (-(-side // multiple) * multiple for side in (height, width))
    if padded_height != height:
        images = images.index_select(-2, reflected_indices(height, padded_height, images.device))
    if padded_width != width:
        images = images.index_select(-1, reflected_indices(width, padded_width, images.device))
    return images
