"""An MSSD whose contrastive loss reads noised HR latents beside LR and HR, for ``mssd_evidence.py``: the shortcut.

Named in an option file as ``imports: [mssd_shared.py]`` and ``network_g: type: SharedLatentsMSSD``.
"""

import torch
from torch import Tensor

import segsr_arch  # noqa: F401 # before basicsr, which it repairs

# isort: split
from basicsr.utils.registry import ARCH_REGISTRY

from segsr_arch.archs.mssd_arch import MSSD
from segsr_arch.diffusion.learning.contrast import MomentumContrast


@ARCH_REGISTRY.register()
class SharedLatentsMSSD(MSSD):
    """Latents noised to the middle step, the same for an LR image and its HR image, in place of noise alone."""

    def _contrast_loss(
        self,
        contrast: MomentumContrast,
        enlarged: Tensor,
        hr: Tensor,
        pair: Tensor,
        silence: Tensor,
        image_ids: Tensor | None,
    ) -> Tensor:
        noised = self.schedule.noised(
            self._diffused(self.latent_tile).of(hr, enlarged), pair[0], self.schedule.steps // 2
        )
        shared = torch.stack([noised, noised])
        return super()._contrast_loss(contrast, enlarged, hr, shared, silence, image_ids)
