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
        height, width = latents.shape[-2:]
        grid = WindowGrid(height=height, width=width, size=options.size, overlap=options.overlap)
        rows, columns = _weights(grid.tops, min(options.size, height)), _weights(grid.lefts, min(options.size, width))
        blended = torch.zeros_like(latents, dtype=torch.float32)
        for window in grid:
            place = (..., *window.slices)
            weight = torch.outer(rows[window.top], columns[window.left]).to(latents.device)
            blended[place] += weight * predict(latents[place], t, window).float()
        return blended

    return denoiser


@lru_cache(maxsize=16)
def _weights(starts: Sequence[int], size: int) -> dict[int, Tensor]:
    """Weights of windows along one axis, by their first pixels: (size,) float32 that sum to one at every pixel."""
    distance = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) / (_SPREAD * size)
    bell = torch.exp(-(distance**2) / 2)
    total = torch.zeros(starts[-1] + size, dtype=torch.float64)
    for start in starts:
        total[start : start + size] += bell
    return {start: (bell / total[start : start + size]).float() for start in starts}
