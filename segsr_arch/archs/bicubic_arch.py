"""Bicubic upscaling as a network without parameters, so that the test loop measures the baseline too."""

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn import functional

from segsr_arch.capabilities import Capabilities
from segsr_arch.compat.registration import register

_REACH = 2  # pixels on each side that a new pixel depends on


@register(ARCH_REGISTRY)
class Bicubic(nn.Module):
    """MATLAB-like bicubic upscaling, the baseline of every table of the field.

    Keys' kernel with a = -1/2; the image goes on beyond its edges as in a mirror, as in MATLAB's ``imresize``.

    Args:
        upscale: Whole scale.
    """

    capabilities = Capabilities(takes_any_size=True, learns=False)

    def __init__(self, *, upscale: int = 4) -> None:
        super().__init__()
        self.upscale = upscale

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale (B, C, H, W) to (B, C, sH, sW), float32, or float64 of float64.

        Values may leave the input's range at edges.
        """
        height, width = lq.shape[-2:]
        # In float64: torch computes where pixels lie in the type of the image.
        image = lq.double().index_select(-2, _mirrored(height, lq.device)).index_select(-1, _mirrored(width, lq.device))
        # Without antialias torch takes a kernel with a = -3/4; when enlarging nothing else differs.
        sr = functional.interpolate(image, scale_factor=self.upscale, mode="bicubic", antialias=True)
        sr = sr.to(torch.promote_types(lq.dtype, torch.float32))
        margin = _REACH * self.upscale
        return sr[..., margin : margin + self.upscale * height, margin : margin + self.upscale * width]


def _mirrored(size: int, device: torch.device) -> Tensor:
    """Indices (size + 4,) that continue an axis of ``size`` pixels by two on each side, as in a mirror at its edges."""
    position = torch.arange(-_REACH, size + _REACH, device=device) % (2 * size)
    return torch.minimum(position, 2 * size - 1 - position)
