"""Super-resolution of images in overlapping tiles that are blended without holes or seams."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr_arch.inference.blending import BlendingWeights
from segsr_arch.windows import Window


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """A super-resolved tile, to be blended with its neighbours.

    Attributes:
        window: Its place in the SR image.
        sr: Its pixels (B, C, height, width), float32.
        weights: Their weights (height, width): those of all tiles of an image sum to one at every pixel.
    """

    window: Window
    sr: Tensor
    weights: Tensor


def super_resolve_windows(
    network: Callable[[Tensor, Sequence[Window]], Tensor],
    read: Callable[[Window], Tensor],
    windows: Iterable[Window],
    *,
    weights: BlendingWeights,
    scale: int,
    batch: int = 1,
) -> Iterator[Tile]:
    """Run a network window by window, and hand out each tile as soon as it is there.

    Once a row of windows is through, the rows above the next one of a grid's ``tops`` are complete: who writes a raster
    needs to hold no more than that.

    Args:
        network: Maps tiles (N, C, h, w) and their places in the LR image, N / B windows of B images each, to (N, C,
            scale * h, scale * w). Its errors are passed on: there is never a hole. It may do what it likes with them.
        read: Gives the pixels (B, C, h, w) of a window of the LR images.
        windows: A grid of windows, or some of one.
        weights: Those of the whole grid.
        scale: Scale of the network.
        batch: For how many windows it is called at once.

    Yields:
        The tiles, in the order of their windows.
    """
    remaining = iter(windows)
    while places := list(itertools.islice(remaining, batch)):  # all of one size
        parts = [read(window) for window in places]
        together = network(torch.cat(parts), places).float()
        for window, sr in zip(places, together.chunk(len(places)), strict=True):
            yield Tile(window=window.scaled(scale), sr=sr, weights=weights.at(window).to(sr.device))


def add_tile(canvas: Tensor, place: Window, tile: Tile) -> None:
    """Add the part of a tile, times its weights, that lies in a part of the SR image.

    Args:
        canvas: Sums (B, C, height, width) of that part; changed in place.
        place: Where the canvas lies in the SR image.
        tile: The tile.
    """
    shared = tile.window.shared_with(place)
    if shared is not None:
        inside, within = shared
        canvas[(...,) + within] += tile.sr[(...,) + inside] * tile.weights[inside]


def blend(tiles: Iterable[Tile], *, size: Sequence[int]) -> Tensor:
    """Put an image together: every pixel is the weighted mean of the tiles that cover it.

    Args:
        tiles: All tiles of the image.
        size: Sizes of the result, (B, C, height, width).

    Returns:
        The images, float32, where the tiles are.
    """
    canvas = torch.zeros(())
    for count, tile in enumerate(tiles):
        if count == 0:
            canvas = tile.sr.new_zeros(tuple(size))
        add_tile(canvas, Window(height=size[-2], width=size[-1]), tile)
    return canvas
