"""Bicubic upscaling as a network without parameters, so that the test loop measures the baseline too."""

import torch
from basicsr.utils.matlab_functions import imresize
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from segsr_arch.capabilities import Capabilities
from segsr_arch.compat.registration import register


@register(ARCH_REGISTRY)
class Bicubic(nn.Module):
    """MATLAB-like bicubic upscaling, the baseline of every table of the field.

    Args:
        upscale: Whole scale.
    """

    capabilities = Capabilities(takes_any_size=True, exportable=False)

    def __init__(self, *, upscale: int = 4) -> None:
        super().__init__()
        self.upscale = upscale

    def forward(self, lq: Tensor) -> Tensor:
        """Upscale (B, C, H, W) to (B, C, sH, sW); values may leave the input's range at edges."""
        enlarged = [imresize(image.float().cpu(), self.upscale) for image in lq]
        return torch.stack(enlarged).to(lq.device)
