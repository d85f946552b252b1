"""Patches whose caption says how they were degraded, whatever the option file says of captions.

Named in an option file as ``imports: [mssd_captioned.py]`` and ``type: CaptionedPairs``.
"""

from collections.abc import Mapping
from typing import Any

import segsr_arch  # noqa: F401 # before basicsr, which it repairs

# isort: split
from basicsr.utils.registry import DATASET_REGISTRY

from segsr_arch.data.blind_paired_dataset import BlindPairedDataset


@DATASET_REGISTRY.register()
class CaptionedPairs(BlindPairedDataset):
    """A :class:`BlindPairedDataset` with ``say_degradation``."""

    def __init__(self, opt: Mapping[str, Any]) -> None:
        super().__init__({**opt, "say_degradation": True, "caption_file": None})
