"""What the units of a guided network look at in an image, in words, as ``segsr explain`` finds them."""

import contextlib
from collections.abc import Iterator

import numpy as np

from segsr_arch.app.jobs import Made
from segsr_arch.errors import SegsrError
from segsr_arch.evaluation.explanation import Sample, embed_terms, explain, observe
from segsr_arch.evaluation.explanation_files import RANDOM_WARNING
from segsr_arch.evaluation.vocabulary import build_vocabulary
from segsr_arch.scenes.engine import SceneTiles
from segsr_arch.semantics.text_tower import build_text_tower
from segsr_arch.windows import Window

_SIDE = 64
"""LR pixels of a side of what is looked at at once: the size of the paper's training images."""
_LOOKS = 4
"""Places that are looked at along each axis at most."""
_TERMS = 3


def words_of_units(made: Made) -> tuple[list[str], str | None]:
    """Find the words that are nearest to the patches which each unit's map selects.

    Args:
        made: Of a guided network with maps.

    Returns:
        Words for each unit, none if they cannot be had, and a sentence that a reader should know before: why there are
        none, or that they mean nothing.
    """
    network = made.network.guided
    if network is None:
        return [], None
    guide = network.guide
    identity = guide.feature_extraction.identity
    device = next(guide.parameters()).device
    vocabulary = build_vocabulary(path=None)
    try:
        tower = build_text_tower(guide.config, beside=identity).to(device)
        observations = observe(lambda lq, _: guide.view(lq.to(device)), _samples(made))
    except SegsrError as error:
        return [], f"No words for the maps: {str(error).rstrip('.')}."
    embeddings = embed_terms(tower, [vocabulary.sentences(term) for term in vocabulary.terms])
    explanation = explain(observations, terms=vocabulary.terms, term_embeddings=embeddings)
    units = [
        ", ".join(each.term for each in explanation.nearest("patches", unit, _TERMS))
        for unit in range(explanation.num_units)
    ]
    return units, RANDOM_WARNING if identity.is_random else None


def _samples(made: Made) -> Iterator[Sample]:
    """Places that are spread over the scene, all of it if it is small."""
    scene = made.scene
    height, width = min(_SIDE, scene.height), min(_SIDE, scene.width)
    tops, lefts = (
        sorted({int(place) for place in np.linspace(0, length - side, min(_LOOKS, -(-length // side)))})
        for length, side in ((scene.height, height), (scene.width, width))
    )
    with contextlib.closing(SceneTiles(scene)) as tiles:
        for top in tops:
            for left in lefts:
                window = Window(top=top, left=left, height=height, width=width)
                yield Sample(name=made.upload.source.name, class_name="", lq=tiles.read(window))
