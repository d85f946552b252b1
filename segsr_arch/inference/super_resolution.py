"""Super-resolution of images of any size by networks that leave the padding to their caller."""

from torch import Tensor, nn

from segsr_arch.guiding.unit_layouts import size_multiple
from segsr_arch.padding import crop, pad_to_multiple


def super_resolve_padded(network: nn.Module, lq: Tensor, *, scale: int) -> Tensor:
    """Pad images to what a network takes, and cut what it makes of the padding.

    Args:
        network: Maps (B, C, h, w) to (B, C, scale * h, scale * w). It may do what it likes with what it gets.
        lq: LR images (B, C, H, W), which stay what they are.
        scale: Scale of the network.

    Returns:
        SR images (B, C, scale * H, scale * W).
    """
    padded = pad_to_multiple(lq, size_multiple(network))
    sr = network(lq.clone() if padded is lq else padded)
    return crop(sr, lq.shape[-2] * scale, lq.shape[-1] * scale)
