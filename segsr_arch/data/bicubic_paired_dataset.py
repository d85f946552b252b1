"""Ground truth alone; the LR image of each is its bicubic reduction."""

import numpy as np
from basicsr.utils.registry import DATASET_REGISTRY

from segsr_arch.compat.registration import register
from segsr_arch.data.made_pairs import LrImages, MadePairs
from segsr_arch.degradations.bicubic import make_lr
from segsr_arch.degradations.bicubic_operator import reduction_reach


@register(DATASET_REGISTRY)
class BicubicPairedDataset(MadePairs):
    """Pairs of a ground truth image and its bicubic reduction, from ground truth images only.

    .. code-block:: yaml

        train:
          name: UCMerced
          type: BicubicPairedDataset
          dataroot_gt: datasets/UCMerced/train/HR_x4.lmdb
          io_backend: {type: lmdb}
          gt_size: 256
          use_hflip: true
          use_rot: true

    The LR image has the pixels, of 8 bits, that ``segsr prepare`` writes, and with the same seed a training gets the
    patches that BasicSR's ``PairedImageDataset`` cuts from those files. The ground truth is cut at its right and lower
    edge to a multiple of the scale.

    Args:
        opt: See :class:`~segsr_arch.data.made_pairs.MadePairs`.
    """

    @property
    def margin(self) -> int:
        """The kernel of an LR pixel reaches so far."""
        return reduction_reach(self.scale)

    def degrade(self, hr: np.ndarray, path: str) -> LrImages:
        """Reduce by the kernel of Keys: (H, W, 3) uint8 -> ``lq`` (H / scale, W / scale, 3) uint8."""
        return LrImages(images={"lq": make_lr(hr, self.scale)})
