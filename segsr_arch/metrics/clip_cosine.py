"""Cosine between what the vision-language model sees in the SR image and in the HR image."""

import dataclasses

import open_clip
import torch
from torch.nn import functional as F

from segsr_arch.metrics.definition import LoadedImageMetric, LoadOptions
from segsr_arch.metrics.images import to_tensor
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction


def load_clip_cosine(options: LoadOptions) -> LoadedImageMetric:
    """Load the frozen vision tower of the options, without LoRA.

    The images go in at their own size, padded by reflection to whole patches, with the position embedding resized:
    as in SFEM, and without the centre crop of open_clip's own preparation, which would leave out most of an image.

    Args:
        options: The device and ``semantics`` are read.

    Returns:
        The metric: cosine of the global embeddings, at most 1.

    Raises:
        ConfigError: If the model is not known or is no plain ViT.
        WeightsError: If its weights cannot be had, read, or do not fit.
    """
    frozen = dataclasses.replace(options.semantics, lora_targets="none")
    tower = SemanticFeatureExtraction(config=frozen, scale=1).to(options.device).eval()

    @torch.inference_mode()
    def compute(sr, gt, lq, scale):
        embeddings, _ = tower(torch.cat([to_tensor(image, device=options.device) for image in (sr, gt)]))
        return F.cosine_similarity(*embeddings.double(), dim=0).item()

    notice = ", RANDOM WEIGHTS: the value means nothing" if options.semantics.pretrained is None else ""
    return LoadedImageMetric(backend=f"open_clip {open_clip.__version__}, {tower.identity}{notice}", compute=compute)
