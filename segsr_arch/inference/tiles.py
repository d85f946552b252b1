"""Super-resolution of images in overlapping tiles that are blended without holes or seams."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option


@dataclass(frozen=True, kw_only=True)
class TileOptions(OptionGroup):
    """Size of tiles and of their overlap, in LR pixels, and how many at once (top-level key ``tile:`` of option files).

    Raises:
        ConfigError: If the overlap is not smaller than the tile, or a value is no whole number.
    """

    section = "tile"

    size: int = option(
        64, help="side of a tile; best the size that the network was trained on", unit="LR pixels", minimum=1
    )
    overlap: int = option(
        16, help="width of the band that neighbouring tiles share and blend in", unit="LR pixels", minimum=0
    )
    batch: int = option(1, help="tiles at once: more are faster, and need as much more memory", unit="tiles", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap >= self.size:
            raise ConfigError(
                f"tile: overlap: must be from 0 to size - 1; got size {self.size} and overlap {self.overlap}."
            )

    @classmethod
    def from_options(cls, options: Mapping[str, Any] | None) -> "TileOptions | None":
        """Read the mapping of a YAML; ``None`` stays ``None`` (no tiles).

        Raises:
            ConfigError: If a key is not known or a value is out of range.
        """
        return None if options is None else cls.read(options)


def tile_starts(length: int, size: int, overlap: int) -> list[int]:
    """First pixels of the tiles along one axis; the last tile ends with the axis, all have the same size.

    Args:
        length: Pixels of the axis.
        size: Pixels of a tile; an axis that is not longer is one tile.
        overlap: Least number of pixels that neighbours share.
    """
    if length <= size:
        return [0]
    return [*range(0, length - size, size - overlap), length - size]


def _ramp(length: int, overlap: int, like: Tensor) -> Tensor:
    """Weights (length,) that rise over ``overlap`` cells and fall again, all above zero."""
    position = torch.arange(length, device=like.device, dtype=torch.float32)
    distance = torch.minimum(position, length - 1 - position) + 0.5
    return (distance / max(overlap, 0.5)).clamp(max=1)


def _tiles(lq: Tensor, options: TileOptions) -> Iterator[tuple[slice, slice]]:
    height, width = lq.shape[-2:]
    for top in tile_starts(height, options.size, options.overlap):
        for left in tile_starts(width, options.size, options.overlap):
            yield slice(top, min(top + options.size, height)), slice(left, min(left + options.size, width))


def super_resolve_tiled(network: Callable[[Tensor], Tensor], lq: Tensor, *, scale: int, options: TileOptions) -> Tensor:
    """Run a network tile by tile; every output pixel is the weighted mean of the tiles that cover it.

    Args:
        network: Maps (B, C, h, w) to (B, C, scale * h, scale * w). Its errors are passed on: there is never a hole.
            It gets copies of the tiles, with which it may do what it likes.
        lq: LR images (B, C, H, W).
        scale: Scale of the network.
        options: Tile size and overlap, and for how many tiles of each image the network is called at once.

    Returns:
        SR images (B, C, scale * H, scale * W), float32, on the device of the input.
    """
    images, channels, height, width = lq.shape
    total = torch.zeros(images, channels, height * scale, width * scale, device=lq.device)
    weight_sum = torch.zeros(1, 1, height * scale, width * scale, device=lq.device)
    tiles = _tiles(lq, options)
    while places := list(itertools.islice(tiles, options.batch)):  # all tiles have the same size
        together = network(torch.cat([lq[..., rows, columns] for rows, columns in places])).float()
        weights = (
            _ramp(together.shape[-2], options.overlap * scale, together)[:, None]
            * _ramp(together.shape[-1], options.overlap * scale, together)[None, :]
        )
        for (rows, columns), sr in zip(places, together.split(images), strict=True):
            target = (..., *(slice(part.start * scale, part.stop * scale) for part in (rows, columns)))
            total[target] += sr * weights
            weight_sum[target] += weights
    return total / weight_sum
