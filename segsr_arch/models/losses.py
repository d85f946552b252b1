"""The losses between an output and its ground truth that ``train:`` names."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from basicsr.losses import build_loss
from torch import Tensor, nn

_SECTIONS = ("pixel_opt", "perceptual_opt")


class ImageLosses(nn.Module):
    """``pixel_opt`` and ``perceptual_opt``, as BasicSR's ``SRModel`` uses and names them.

    Args:
        train_options: The ``train:`` section.
    """

    def __init__(self, train_options: Mapping[str, Any]) -> None:
        super().__init__()
        sections = (train_options.get(name) for name in _SECTIONS)
        self.pixel, self.perceptual = (build_loss(options) if options else None for options in sections)

    def forward(self, output: Tensor, gt: Tensor) -> "OrderedDict[str, Tensor]":
        """Compute the losses of a batch.

        Args:
            output: (B, C, H, W).
            gt: The same shape.

        Returns:
            Scalars by the names under which BasicSR logs them: ``l_pix``, ``l_percep``, ``l_style``.
        """
        losses = OrderedDict()
        if self.pixel is not None:
            losses["l_pix"] = self.pixel(output, gt)
        if self.perceptual is not None:
            perceptual, style = self.perceptual(output, gt)
            losses |= {key: value for key, value in (("l_percep", perceptual), ("l_style", style)) if value is not None}
        return losses
