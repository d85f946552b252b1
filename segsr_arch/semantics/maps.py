"""Semantic guidance maps: cosine similarity of embeddings and patches, and their resizing (SeG-SR eq. 8)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def cosine_maps(embeddings: Tensor, local_features: Tensor) -> Tensor:
    """Compare every localization embedding with every patch.

    Args:
        embeddings: e_1..e_k (B, k, C).
        local_features: I_l (B, C, Hc, Wc).

    Returns:
        The maps (B, k, Hc, Wc) in float32, in [-1, 1] up to rounding.
    """
    with torch.autocast(embeddings.device.type, enabled=False):
        queries = F.normalize(embeddings.float(), dim=-1)
        patches = F.normalize(local_features.float(), dim=1)
        return torch.einsum("bkc,bchw->bkhw", queries, patches)


def standardise_maps(maps: Tensor, *, floor: float) -> Tensor:
    """Bring each map to a mean of zero and a deviation of one over the image (not in the paper).

    Args:
        maps: (B, k, Hc, Wc).
        floor: Least deviation that is divided by, so that a flat map stays flat and does not become noise.

    Returns:
        Maps of the same shape; all zero where an image is a single patch.
    """
    centred = maps - maps.mean(dim=(-2, -1), keepdim=True)
    deviation = centred.square().mean(dim=(-2, -1), keepdim=True).clamp_min(floor**2).sqrt()
    return centred / deviation


def _interpolation_matrix(source: int, target: int, step: float, start: float, first: int, like: Tensor) -> Tensor:
    """Weights (target, source) of linear interpolation.

    Cell i of the target has its centre at (i + start + 0.5) * step; cells of the source are counted from ``first``.
    """
    cells = torch.arange(target, device=like.device, dtype=like.dtype) + (start + 0.5)
    centres = (cells * step - 0.5).clamp(first, first + source - 1)
    nodes = torch.arange(first, first + source, device=like.device, dtype=like.dtype)
    return (1 - (centres[:, None] - nodes[None, :]).abs()).clamp_min(0)


def needed_cells(source: int, target: int, *, step: float, start: float) -> slice:
    """Tell which cells along an axis of maps :func:`resize_maps` reads, one more on each side against rounding.

    Args:
        source: Cells of the maps.
        target: Cells of the target grid.
        step: Side of a target cell in cells of the maps.
        start: Where the target grid begins, in target cells.
    """
    low, high = ((cell + start + 0.5) * step - 0.5 for cell in (0, target - 1))
    return slice(min(max(math.floor(low) - 1, 0), source - 1), min(max(math.ceil(high) + 2, 1), source))


def resize_maps(
    maps: Tensor,
    size: tuple[int, int],
    *,
    step: float,
    start: tuple[float, float] = (0, 0),
    first: tuple[int, int] = (0, 0),
) -> Tensor:
    """Resize maps bilinearly onto the grid of a unit, aligned by position in the image and not by the sizes.

    The patch grid of the vision tower and the grid of a unit may both reach beyond the image, by different paddings;
    what stays fixed is where a cell lies in the image.

    Args:
        maps: (B, k, Hc, Wc), one cell a patch.
        size: Height and width of the target grid.
        step: Side of a target cell in patches, for instance ``scale / patch_size`` for a grid of LR pixels.
        start: Row and column where the target grid begins, in target cells; a fraction where a tile begins between
            cells of the image's grid: its cells get what lies there.
        first: Row and column of the first patch that ``maps`` holds, where they are a part of an image's maps.

    Returns:
        The maps (B, k, height, width), within the range of the input; cells beyond the patches take the last patch.
        In float32 at least: half precision cannot tell the positions of a large grid apart.
    """
    maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
    with torch.autocast(maps.device.type, enabled=False):
        rows = _interpolation_matrix(maps.shape[-2], size[0], step, start[0], first[0], maps)
        columns = _interpolation_matrix(maps.shape[-1], size[1], step, start[1], first[1], maps)
        return rows @ maps @ columns.T


class LearnedUpsampling(nn.Module):
    """Divides every cell of a map into ``factor`` x ``factor`` cells by learned weights, each map by its own.

    A sub-pixel convolution. It starts as bilinear interpolation, and it works for every patch size and scale, where
    transposed convolutions that double the side need a power of two. With an odd factor the centres of the old cells
    are centres of new ones, so an untrained one changes nothing, onto whatever grid the maps are resized afterwards.

    Args:
        num_maps: Number k of maps.
        factor: Cells along a side into which a cell is divided.
    """

    def __init__(self, *, num_maps: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.convolution = nn.Conv2d(num_maps, num_maps * factor**2, 3, groups=num_maps)
        offsets = (torch.arange(factor) + 0.5) / factor - 0.5
        line = torch.stack([(-offsets).clamp_min(0), 1 - offsets.abs(), offsets.clamp_min(0)], dim=1)
        weights = torch.einsum("ri,cj->rcij", line, line).reshape(factor**2, 1, 3, 3)
        weight, bias = self.convolution.parameters()
        with torch.no_grad():
            weight.copy_(weights.repeat(num_maps, 1, 1, 1))
            bias.zero_()

    def forward(self, maps: Tensor) -> Tensor:
        """Upsample maps (B, k, Hc, Wc) to (B, k, factor * Hc, factor * Wc), in the precision of the weights."""
        with torch.autocast(maps.device.type, enabled=False):
            padded = F.pad(maps.to(self.convolution.weight.dtype), (1, 1, 1, 1), mode="replicate")
            return F.pixel_shuffle(self.convolution(padded), self.factor)
