"""Features as (B, H, W, C) and as (B, C, H, W), both views of the same channels-last memory."""

from torch import Tensor


def to_nchw(x: Tensor) -> Tensor:
    """View (B, H, W, C) as a channels-last (B, C, H, W)."""
    return x.permute(0, 3, 1, 2)


def to_nhwc(x: Tensor) -> Tensor:
    """View a channels-last (B, C, H, W) as (B, H, W, C)."""
    return x.permute(0, 2, 3, 1)
