"""Latents larger than a network was trained on: predicted in overlapping tiles that are blended at every step.

All tiles see one noise field and one state, so that what is sampled is one image. Tiles that are sampled apart and
blended at the end know nothing of each other and do not fit (Bar-Tal et al., MultiDiffusion, 2023).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from segsr_arch.diffusion.samplers.sampling import Denoiser
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
    autoencoder: int | None = option(
        None,
        help="side of a tile in which the autoencoder of Stable Diffusion encodes and decodes, with the same overlap, "
        "several times over, until all tiles fit; null takes whole images, which is faster and needs much memory",
        unit="latent pixels",
        minimum=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap >= self.size:
            raise ConfigError(
                f"latent_tile: overlap: must be from 0 to size - 1; got size {self.size} and overlap {self.overlap}."
            )
        if self.autoencoder is not None and self.overlap >= self.autoencoder:
            raise ConfigError(
                f"latent_tile: autoencoder: must be above the overlap; got {self.autoencoder} and {self.overlap}."
            )

    def autoencoder_grid(self, height: int, width: int) -> WindowGrid | None:
        """Tiles of latents for the autoencoder; ``None`` if it takes them at once."""
        if self.autoencoder is None or self.autoencoder >= max(height, width):
            return None
        return WindowGrid(height=height, width=width, size=self.autoencoder, overlap=self.overlap)


def tiled(predict: Callable[[Tensor, float, Window], Tensor], options: LatentTileOptions) -> Denoiser:
    """Make a denoiser of latents of any size of one that sees a window.

    Args:
        predict: Gets the latents (B, C, h, w) of a window, the time, and the window, whose place tells what it is
            conditioned on; gives the prediction (B, C, h, w).
        options: Size and overlap of the tiles. Latents that are not larger are one window.

    Returns:
        The denoiser. Its predictions are float32.
    """

    def denoiser(latents: Tensor, t: float) -> Tensor:
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
    canvas = torch.zeros(())
    for count, window in enumerate(grid):
        part, place = give(window).float(), window.scaled(scale)
        if count == 0:
            canvas = part.new_zeros(*part.shape[:-2], scale * grid.height, scale * grid.width)
        canvas[(...,) + place.slices] += window_weights(window, grid, scale=scale).to(part.device) * part
    return canvas


def window_weights(window: Window, grid: WindowGrid, *, scale: int = 1) -> Tensor:
    """Weights (scale * height, scale * width) of a window of a grid; those of all windows sum to one at every pixel."""
    place = window.scaled(scale)
    rows = _weights(tuple(scale * start for start in grid.tops), place.height)[place.top]
    columns = _weights(tuple(scale * start for start in grid.lefts), place.width)[place.left]
    return torch.outer(rows, columns)


@lru_cache(maxsize=16)
def _weights(starts: Sequence[int], size: int) -> dict[int, Tensor]:
    """Weights of windows along one axis, by their first pixels: (size,) float32 that sum to one at every pixel."""
    distance = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2) / (_SPREAD * size)
    bell = torch.exp(-(distance**2) / 2)
    total = torch.zeros(starts[-1] + size, dtype=torch.float64)
    for start in starts:
        total[start : start + size] += bell
    return {start: (bell / total[start : start + size]).float() for start in starts}
