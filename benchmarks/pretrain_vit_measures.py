"""What a vision-language model knows about scenes: zero-shot and nearest-neighbour accuracy of its global feature."""

from collections.abc import Sequence

import torch
from pretrain_vit_scenes import Scene
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.evaluation.vocabulary import Vocabulary
from segsr_arch.results.statistics import mean_with_interval
from segsr_arch.semantics.config import SemanticsConfig
from segsr_arch.semantics.feature_extraction import SemanticFeatureExtraction
from segsr_arch.semantics.text_tower import build_text_tower

NEIGHBOURS, TEMPERATURE = 10, 0.07


def _embed(extraction: SemanticFeatureExtraction, scenes: Sequence[Scene], side: int | None) -> Tensor:
    """Global features (N, C) of unit length, of whole LR images or of their middle, ``side`` x ``side``."""
    features = []
    for scene in scenes:  # one by one, because sizes may differ
        lq = torch.from_numpy(scene.pixels["LR"]).permute(2, 0, 1)[None] / 255
        if side is not None:
            top, left = ((length - side) // 2 for length in lq.shape[-2:])
            lq = lq[..., top : top + side, left : left + side]
        features.append(extraction(lq)[0][0])
    return F.normalize(torch.stack(features), dim=1)


def _nearest(queries: Tensor, gallery: Tensor, labels: Tensor) -> Tensor:
    """Class (N,) that wins the vote of the nearest in the gallery, each weighted by exp(cosine / temperature)."""
    near, index = (queries @ gallery.T).topk(min(NEIGHBOURS, len(gallery)))
    votes = torch.zeros(len(queries), int(labels.max()) + 1)
    return votes.scatter_add(1, labels[index], ((near - 1) / TEMPERATURE).exp()).argmax(1)


@torch.no_grad()
def measure(
    config: SemanticsConfig,
    *,
    train: Sequence[Scene],
    val: Sequence[Scene],
    vocabulary: Vocabulary,
    scale: int,
    size: int,
) -> dict:
    """Measure how well the global feature, as the guide computes it from LR images, tells the class.

    Args:
        config: The model and its weights; without LoRA.
        train: Training images, the neighbours.
        val: Images to be classified, of the classes of the training images.
        vocabulary: Words of each class, in the order of the sorted class names, and templates.
        scale: Of the LR images.
        size: Side of the training crops in HR pixels.

    Returns:
        For ``whole`` images and for the middle ``crop`` of the size that was trained on: ``zero_shot`` (the class whose
        mean text embedding is nearest) and ``knn`` (10 neighbours, cosine), each with ``top1`` in [0, 1] and its 95 %
        bootstrap interval over the images.

    Raises:
        ConfigError: If the model has no text tower, or a sentence is too long for it.
        WeightsError: If the weights cannot be read or do not fit.
    """
    extraction = SemanticFeatureExtraction(config=config, scale=scale).eval()
    tower = build_text_tower(config, beside=extraction.identity)
    words = F.normalize(torch.stack([tower(vocabulary.sentences(term)).mean(0) for term in vocabulary.terms]), dim=1)
    classes = sorted({scene.label for scene in train})
    known, wanted = (torch.tensor([classes.index(scene.label) for scene in scenes]) for scenes in (train, val))
    figures = {}
    for view, side in (("whole", None), ("crop", size // scale)):
        gallery, queries = (_embed(extraction, scenes, side) for scenes in (train, val))
        guesses = {"zero_shot": (queries @ words.T).argmax(1), "knn": _nearest(queries, gallery, known)}
        figures[view] = {}
        for name, guess in guesses.items():
            right = mean_with_interval((guess == wanted).double().tolist())
            figures[view][name] = {"top1": right.mean, "interval_95": [right.low, right.high]}
    return figures
