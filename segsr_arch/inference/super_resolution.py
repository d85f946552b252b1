"""Super-resolution of images of any size by any network: padded to what it takes, in one piece or in tiles."""

from collections.abc import Callable

import torch
from torch import Tensor

from segsr_arch.capabilities import size_rule_of
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.inference.blending import BlendingWeights
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.inference.tiles import blend, super_resolve_windows
from segsr_arch.padding import crop, pad_to_multiple
from segsr_arch.windows import WindowGrid


def super_resolve(
    network: Callable[[Tensor], Tensor], lq: Tensor, *, scale: int, tile: TileOptions | None = None
) -> Tensor:
    """Super-resolve images of any size.

    Args:
        network: Maps (B, C, h, w) to (B, C, scale * h, scale * w), for sizes that it declares (see
            :mod:`segsr_arch.capabilities`); padding is added, and cut from the result. It gets copies, with which it
            may do what it likes. Its errors are passed on: there is never a hole.
        lq: LR images (B, C, H, W), as a rule RGB in [0, 1].
        scale: Scale of the network.
        tile: Size and overlap of tiles, and for how many of each image the network is called at once; ``None`` gives it
            whole images.

    Returns:
        SR images (B, C, scale * H, scale * W), not clipped, on the device of the input; float32 if there are tiles.

    Raises:
        ConfigError: If the scale of what the network gives is another.
    """
    rule = size_rule_of(network)

    def run(images: Tensor) -> Tensor:
        padded = pad_to_multiple(images, rule.multiple, minimum=rule.minimum)
        sr = network(padded.clone() if padded is images else padded)
        expected = tuple(scale * side for side in padded.shape[-2:])
        if tuple(sr.shape[-2:]) != expected:  # cut to size, it would be the corner of an image of another scale
            raise ConfigError(
                f"the network gives {tuple(sr.shape)} for images {tuple(padded.shape)}; expected {expected} for height "
                f"and width, {scale} times theirs."
            )
        return crop(sr, *(scale * side for side in images.shape[-2:]))

    if tile is None:
        return run(lq)
    padded = pad_to_multiple(lq, rule.multiple, minimum=rule.minimum)  # the grid of tiles fits if a tile's side does
    height, width = padded.shape[-2:]
    grid = WindowGrid(height=height, width=width, size=tile.size, overlap=tile.overlap)
    tiles = super_resolve_windows(
        lambda together, _windows: run(together),
        lambda window: padded[(...,) + window.slices],
        grid,
        weights=BlendingWeights(grid, scale=scale),
        scale=scale,
        batch=tile.batch,
    )
    sr = blend(tiles, size=(*lq.shape[:-2], scale * height, scale * width))
    return crop(sr, *(scale * side for side in lq.shape[-2:]))


def check_finite(output: Tensor) -> Tensor:
    """Return a network's output if all of it is finite; rounding to 8 bits would make black pixels of NaN.

    Args:
        output: Any shape.

    Raises:
        DataError: If a value is NaN or infinite.
    """
    broken = int((~torch.isfinite(output)).sum())
    if broken:
        raise DataError(f"the network gives NaN or infinity in {broken} of {output.numel()} values")
    return output
