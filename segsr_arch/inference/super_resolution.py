"""Super-resolution of images of any size by any network: padded to what it takes, in one piece or in tiles."""

import functools

from torch import Tensor, nn

from segsr_arch.capabilities import size_rule_of
from segsr_arch.inference.tiles import TileOptions, super_resolve_tiled
from segsr_arch.padding import crop, pad_to_multiple


def super_resolve(network: nn.Module, lq: Tensor, *, scale: int, tile: TileOptions | None = None) -> Tensor:
    """Super-resolve images of any size.

    Args:
        network: Maps (B, C, h, w) to (B, C, scale * h, scale * w). It may do what it likes with what it gets.
        lq: LR images (B, C, H, W), as a rule RGB in [0, 1]; they stay what they are.
        scale: Scale of the network.
        tile: Sizes of tiles; ``None`` gives it the whole images.

    Returns:
        SR images (B, C, scale * H, scale * W), floating point, not clipped.
    """
    if tile is None:
        return super_resolve_padded(network, lq, scale=scale)
    # Padded first, so that the grid of tiles fits as long as a tile's side does.
    run = functools.partial(super_resolve_padded, network, scale=scale)
    return _crop(super_resolve_tiled(run, _pad(network, lq), scale=scale, options=tile), lq, scale)


def super_resolve_padded(network: nn.Module, lq: Tensor, *, scale: int) -> Tensor:
    """Pad images to what a network takes, and cut what it makes of the padding; arguments of :func:`super_resolve`."""
    padded = _pad(network, lq)
    return _crop(network(lq.clone() if padded is lq else padded), lq, scale)


def _pad(network: nn.Module, lq: Tensor) -> Tensor:
    rule = size_rule_of(network)
    return pad_to_multiple(lq, rule.multiple, minimum=rule.minimum)


def _crop(sr: Tensor, lq: Tensor, scale: int) -> Tensor:
    return crop(sr, lq.shape[-2] * scale, lq.shape[-1] * scale)
