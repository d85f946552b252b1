"""Patches whose caption says how they were degraded, for ``mssd_evidence.py``: true change captions without a model.

Named in an option file as ``imports: [mssd_captioned.py]`` and ``type: CaptionedPairs``.
"""

import math
from typing import Any

import numpy as np

import segsr_arch  # noqa: F401 # before basicsr, which it repairs

# isort: split
from basicsr.utils.registry import DATASET_REGISTRY

from segsr_arch.data.blind_paired_dataset import BlindPairedDataset

_BLUR = ((1.0, "almost sharp"), (2.0, "slightly blurred"), (3.0, "blurred"), (math.inf, "very blurred"))
_NOISE = ((5.0, "clean"), (12.0, "slightly noisy"), (19.0, "noisy"), (math.inf, "very noisy"))


def _word(steps: tuple[tuple[float, str], ...], value: float) -> str:
    return next(word for limit, word in steps if value < limit)


def change_caption(kernel: np.ndarray, noise: float) -> str:
    """Say how an image was degraded.

    Args:
        kernel: Blur (k, k) in HR pixels, its sum one.
        noise: Standard deviation in grey levels of 255.
    """
    offsets = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    shares = kernel / kernel.sum()
    width = math.sqrt(0.5 * float((shares * (offsets[:, None] ** 2 + offsets[None, :] ** 2)).sum()))
    return f"from {_word(_BLUR, width)} and {_word(_NOISE, noise)} to sharp and clean"


@DATASET_REGISTRY.register()
class CaptionedPairs(BlindPairedDataset):
    """A :class:`BlindPairedDataset` whose items have such a ``caption``."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Get an item with its caption."""
        item: dict[str, Any] = super().__getitem__(index)
        return item | {"caption": change_caption(item["kernel"][0].numpy(), float(item["noise_level"]))}
