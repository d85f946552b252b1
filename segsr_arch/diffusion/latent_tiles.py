"""Latents larger than a network was trained on: predicted in overlapping tiles that are blended at every step.

All tiles see one noise field and one state, so that what is sampled is one image. Tiles that are sampled apart and
blended at the end know nothing of each other and do not fit (Bar-Tal et al., MultiDiffusion, 2023).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from segsr_arch.diffusion.sampling import Denoiser
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, option
from segsr_arch.windows import Window, WindowGrid

# Standard deviation of a tile's weights in sides of the tile: at its edge, 3.7e-6 of those in the middle.
_SPREAD = 0.1


@dataclass(frozen=True, kw_only=True)
class LatentTileOptions(OptionGroup):
    """How latents are cut (key ``latent_tile:`` of a diffusion network).

    Raises:
        ConfigError: If the overlap is not smaller than the tile, or a value is no whole number.
    """

    section = "latent_tile"

    size: int = option(
        64, help="side of a tile; best the size that the network was trained on", unit="latent pixels", minimum=1
    )
    overlap: int = option(
        16,
        help="width of the band that neighbouring tiles share and blend in, at every step",
        unit="latent pixels",
        minimum=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap >= self.size:
            raise ConfigError(
                f"latent_tile: overlap: must be from 0 to size - 1; got size {self.size} and overlap {self.overlap}."
            )


def tiled(predict: Callable[[Tensor, int, Window], Tensor], options: LatentTileOptions) -> Denoiser:
    """Make a denoiser of latents of any size of one that sees a window.

    Args:
        predict: Gets the latents (B, C, h, w) of a window, the time step, and the window, whose place tells what it is
            conditioned on; gives the prediction (B, C, h, w).
        options: Size and overlap of the tiles. Latents that are not larger are one window.

    Returns:
        The denoiser. Its predictions are float32.
    """

    def denoiser(latents: Tensor, t: int) -> Tensor:
        grid = WindowGrid(height=latents.shape[-2], width=latents.shape[-1], size=options.size, overlap=options.overlap)
        return blended(lambda window: predict(latents[(...,) + window.slices], t, window), grid)

    return denoiser


def blended(give: Callable[[Window], Tensor], grid: WindowGrid, *, scale: int = 1) -> Tensor:
    """Put together what is computed window by window, weighted by a bell in each.

    Args:
        give: Gives a tensor (B, C, scale * height, scale * width) for a window of the grid.
        grid: Overlapping windows.
        scale: Pixels of the result for one of the grid.

    Returns:
        (B, C, H, W) float32, scale times as large as the grid; the only window of a grid as it is.
    """
    if len(grid) == 1:
        return give(next(iter(grid))).float()
    sides = [scale * min(grid.size, length) for length in (grid.height, grid.width)]
    rows, columns = (
        _weights(tuple(scale * start for start in starts), side)
        for starts, side in zip((grid.tops, grid.lefts), sides, strict=True)
    )
    canvas = torch.zeros(())
    for count, window in enumerate(grid):
        part, place = give(window).float(), window.scaled(scale)
        if count == 0:
            canvas = part.new_zeros(*part.shape[:-2], scale * grid.height, scale * grid.width)
        canvas[(...,) + place.slices] += torch.outer(rows[place.top], columns[place.left]).to(part.device) * part
    return canvas


@lru_cache(maxsize=16)
def _weights(starts: Sequence[int], size: int) -> dict[int, Tensor]:
    """Weights of windows along one axis, by their first pixels: (size,) float32 that sum to one at every pixel."""
    distance = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) / (_SPREAD * size)
    bell = torch.exp(-(distance**2) / 2)
    total = torch.zeros(starts[-1] + size, dtype=torch.float64)
    for start in starts:
        total[start : start + size] += bell
    return {start: (bell / total[start : start + size]).float() for start in starts}
