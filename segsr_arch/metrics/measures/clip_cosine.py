"""Cosine between what the vision-language model sees in the SR image and in the HR image."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import open_clip
import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.metrics.metric import Compute, Metric
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction


def _load(*, device: torch.device, semantics: Mapping[str, Any] | None = None) -> tuple[str, Compute]:
    """Load the frozen vision tower, without LoRA.

    The images go in at their own size, padded by reflection to whole patches, with the position embedding resized:
    as in SFEM, and without the centre crop of open_clip's own preparation, which would leave out most of an image.

    Args:
        device: Where it runs.
        semantics: Keys of ``network_g: semantics:``; ``None`` for the defaults.
    """
    frozen = dataclasses.replace(SemanticsConfig.from_options(semantics), lora_targets="none")
    tower = SemanticFeatureExtraction(config=frozen, scale=1).to(device).eval()

    @torch.inference_mode()
    def compute(sr: Tensor, gt: Tensor) -> float:
        embeddings, _ = tower(torch.cat([sr, gt]))
        one, other = embeddings.double()
        return F.cosine_similarity(one, other, dim=0).item()

    notice = ", RANDOM WEIGHTS: the value means nothing" if frozen.pretrained is None else ""
    return f"open_clip {open_clip.__version__}, {tower.identity}{notice}", compute


METRICS = (
    Metric(
        name="clip_cosine",
        title="CLIP cosine",
        better="higher",
        reads="RGB",
        description="Cosine of the vision-language model's global embeddings of SR and HR image, at most 1.",
        loader=_load,
    ),
)
