"""What each unit of a guided network looks at, in words and in classes.

The localization embeddings e_i (SeG-SR eq. 7) and the patch tokens (eq. 4) lie in the joint space of the
vision-language model, where its text tower puts sentences, too. So both are compared with the terms of a vocabulary. A
guide may compare its embeddings with changed tokens; then they are compared with terms that are changed alike, since
what an embedding is near to says what its map shows only where tokens, too, are as near.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from segsr_arch.errors import DataError
from segsr_arch.evaluation.class_statistics import ClassStatistics, deviation, summarise_by_class
from segsr_arch.semantics import GuideView

SOURCES = ("embedding", "patches")
_SELECTED_ONE_IN = 10  # a whole number, since 0.1 * 30 positions is a little more than 3 in floating point
_ALIKE = 0.99

TERM_DEFINITIONS: Mapping[str, str] = {
    "text": "Embedding of a term: mean of the unit-length text embeddings of its sentences (one a template), brought "
    "to unit length.",
    "embedding": "Localization embedding e_i of unit i (SeG-SR eq. 7). Where the guide compares it with changed tokens "
    "(semantics: tokens), the terms beside it are changed alike: minus their mean over the vocabulary, as tokens lose "
    "theirs, through the same matrix, and brought to unit length.",
    "patches": f"Mean of the unit-length patch tokens (SeG-SR eq. 4, LoRA included) at the {1 / _SELECTED_ONE_IN:.0%} "
    "of the patch positions, rounded up, where the map M_i (eq. 8) is largest; brought to unit length.",
    "cosine": "Mean over images of the cosine similarity with the term. Images and texts of such models lie apart, so "
    "cosines sit in a narrow band; their order says more than their size.",
    "relative": "The cosine minus its mean over the vocabulary, for the same unit and source: positive is nearer than "
    "the average term. It depends on the vocabulary.",
    "unit_similarity": "Mean over images of the cosine similarity of the localization embeddings of two units; near 1 "
    "they look at the same.",
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """An image to look at.

    Attributes:
        name: Its name.
        class_name: Its class; empty if it has none.
        lq: LR image (3, H, W), RGB in [0, 1].
        gt: HR image (3, sH, sW), which only an oracle sees; ``None`` where there is none.
    """

    name: str
    class_name: str
    lq: Tensor
    gt: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the k units saw in n images.

    Attributes:
        image_names: Names of the images.
        image_classes: Their classes; empty for one without.
        vectors: Unit-length vectors of the joint space by source: ``embedding`` and ``patches``, each (n, k, C).
        map_means: Mean of each map (n, k).
        map_spreads: Standard deviation of each map over its positions (n, k).
    """

    image_names: tuple[str, ...]
    image_classes: tuple[str, ...]
    vectors: Mapping[str, np.ndarray]
    map_means: np.ndarray
    map_spreads: np.ndarray


@dataclass(frozen=True, kw_only=True)
class NearTerm:
    """A term near to a unit; ``cosine`` and ``relative`` as in :data:`TERM_DEFINITIONS`."""

    term: str
    cosine: float
    relative: float


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What the units of a network look at over some images.

    Attributes:
        terms: The vocabulary, T terms.
        image_names: Names of the n images.
        image_classes: Their classes.
        cosines: Mean over images, by source: ``embedding`` and ``patches``, each (k, T).
        cosine_deviations: Standard deviation over images (n - 1; NaN for one image), by source, each (k, T).
        unit_similarity: Mean cosine similarity of the localization embeddings of two units (k, k).
        map_means: Mean of each map (n, k).
        map_spreads: Standard deviation of each map over its positions (n, k).
    """

    terms: tuple[str, ...]
    image_names: tuple[str, ...]
    image_classes: tuple[str, ...]
    cosines: Mapping[str, np.ndarray]
    cosine_deviations: Mapping[str, np.ndarray]
    unit_similarity: np.ndarray
    map_means: np.ndarray
    map_spreads: np.ndarray

    @property
    def num_units(self) -> int:
        """Number k of units."""
        return self.map_means.shape[1]

    @property
    def by_class(self) -> ClassStatistics:
        """The maps by class."""
        return summarise_by_class(self.map_means, self.map_spreads, self.image_classes)

    def alike(self) -> list[tuple[int, int]]:
        """List the pairs of units, from 0, that look at the same: with a similarity above 0.99."""
        pairs = np.argwhere(np.triu(self.unit_similarity > _ALIKE, k=1))
        return [(int(first), int(second)) for first, second in pairs]

    def nearest(self, source: str, unit: int, count: int) -> list[NearTerm]:
        """Give the terms nearest to a unit, the nearest first.

        Args:
            source: One of :data:`SOURCES`.
            unit: Number of the unit, from 0.
            count: How many; fewer if the vocabulary has fewer.
        """
        cosines = self.cosines[source][unit]
        mean = cosines.mean()
        order = np.argsort(-cosines, kind="stable")[:count]
        return [
            NearTerm(term=self.terms[i], cosine=float(cosines[i]), relative=float(cosines[i] - mean)) for i in order
        ]


def selected_patches(view: GuideView) -> Tensor:
    """Average the patches that each map selects.

    Args:
        view: Features and maps of B images.

    Returns:
        (B, k, C) float32, of unit length: see ``patches`` in :data:`TERM_DEFINITIONS`.
    """
    tokens = F.normalize(view.local_features.float().flatten(2).transpose(1, 2), dim=-1)
    maps = view.maps.flatten(2)
    positions = maps.topk(-(-maps.shape[-1] // _SELECTED_ONE_IN), dim=-1).indices
    chosen = torch.zeros_like(maps).scatter_(-1, positions, 1.0)
    return F.normalize(chosen @ tokens, dim=-1)


def embed_terms(encode: Callable[[Sequence[str]], Tensor], sentences: Iterable[Sequence[str]]) -> Tensor:
    """Embed terms by the sentences they stand in (prompt ensembling as in Radford et al., CLIP, section 3.1.4).

    Args:
        encode: From N sentences to unit-length embeddings (N, C).
        sentences: For each of the T terms the same number of sentences.

    Returns:
        (T, C) of unit length.
    """
    groups = [list(group) for group in sentences]
    embedded = encode([sentence for group in groups for sentence in group])
    return F.normalize(embedded.unflatten(0, (len(groups), -1)).mean(dim=1), dim=-1)


@torch.no_grad()
def observe(look: Callable[[Tensor, Tensor | None], GuideView], samples: Iterable[Sample]) -> Observations:
    """Look at images through a guide.

    Args:
        look: From LR images (1, 3, H, W), and HR images where there are any, to features, embeddings and maps.
        samples: The images, of any sizes.

    Returns:
        What was seen.

    Raises:
        DataError: If there is no image, or the guide gives values for one that are not finite.
    """
    names: list[str] = []
    classes: list[str] = []
    seen: list[tuple[np.ndarray, ...]] = []
    for sample in samples:
        view = look(sample.lq.unsqueeze(0), None if sample.gt is None else sample.gt.unsqueeze(0))
        maps = view.maps[0].flatten(1).double()
        quantities = (
            F.normalize(view.embeddings[0].float(), dim=-1),
            selected_patches(view)[0],
            maps.mean(dim=1),
            maps.std(dim=1, correction=0),
        )
        if not all(bool(values.isfinite().all()) for values in quantities):
            raise DataError(
                f"{sample.name}: the guide gives NaN or infinity; look for NaN in the image or the weights."
            )
        names.append(sample.name)
        classes.append(sample.class_name)
        seen.append(tuple(values.cpu().numpy() for values in quantities))
    if not names:
        raise DataError("There is no image to explain; give --image, or a test data set that holds some.")
    embedding, patches, map_means, map_spreads = (np.stack(values) for values in zip(*seen, strict=True))
    return Observations(
        image_names=tuple(names),
        image_classes=tuple(classes),
        vectors={"embedding": embedding, "patches": patches},
        map_means=map_means,
        map_spreads=map_spreads,
    )


def explain(
    observations: Observations,
    *,
    terms: Sequence[str],
    term_embeddings: Tensor,
    turn: Callable[[Tensor], Tensor] | None = None,
) -> Explanation:
    """Compare what the units saw with words.

    Args:
        observations: Of n images.
        terms: T terms.
        term_embeddings: Their embeddings (T, C), of unit length.
        turn: How the guide changes differences (T, C) between tokens before it compares them with embeddings; ``None``
            if it compares the tokens themselves.

    Returns:
        The scores and the maps' statistics.
    """
    words = dict.fromkeys(SOURCES, term_embeddings)
    if turn is not None:
        words["embedding"] = F.normalize(turn(term_embeddings - term_embeddings.mean(dim=0)), dim=-1)
    cosines = {
        source: vectors @ words[source].double().cpu().numpy().T for source, vectors in observations.vectors.items()
    }
    embedding = observations.vectors["embedding"]
    return Explanation(
        terms=tuple(terms),
        image_names=observations.image_names,
        image_classes=observations.image_classes,
        cosines={source: values.mean(axis=0) for source, values in cosines.items()},
        cosine_deviations={source: deviation(values) for source, values in cosines.items()},
        unit_similarity=np.einsum("nic,njc->ij", embedding, embedding) / len(embedding),
        map_means=observations.map_means,
        map_spreads=observations.map_spreads,
    )
