"""``segsr explain``: what each unit of a guided network looks at, in words and in classes."""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segsr_arch.cli.arguments.kinds import conversion_of
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.dataset_items import dataset_items
from segsr_arch.evaluation.explanation import Sample, embed_terms, explain, observe
from segsr_arch.evaluation.explanation_figure import draw_explanation
from segsr_arch.evaluation.explanation_files import Subject, format_explanation, write_explanation
from segsr_arch.evaluation.figures.style import figure_style, save_figure
from segsr_arch.evaluation.guide_notes import guide_notes
from segsr_arch.evaluation.methods import Item
from segsr_arch.evaluation.trained_network import TrainedNetwork, load_trained
from segsr_arch.evaluation.vocabulary import DEFAULT_TEMPLATES, build_vocabulary
from segsr_arch.files.locking import locked
from segsr_arch.guiding.guided_network import GuidedNetwork
from segsr_arch.images.conversion import Conversion
from segsr_arch.images.errors import ImageReadError
from segsr_arch.images.reading import read_rgb
from segsr_arch.results.classes import NO_CLASS, classes_of
from segsr_arch.results.provenance import describe_run
from segsr_arch.results.record import ImageRow
from segsr_arch.running.progress import progress
from segsr_arch.semantics import GuideView, SemanticGuide
from segsr_arch.semantics.text_tower import build_text_tower

_FILES = ("explanation.json", "units.csv", "classes.csv", "explanation.png", "explanation.pdf")
MISSING = 1
_GIVEN = "the command line"


def _read_image(path: Path, conversion: Conversion) -> Tensor:
    """Read an LR image as (3, H, W) RGB in [0, 1]."""
    try:
        pixels, notes = read_rgb(path.read_bytes(), conversion)
    except OSError as error:
        raise DataError(f"--image: {path} cannot be read ({error.strerror}).") from error
    except ImageReadError as error:
        raise error.of(f"--image: {path}") from error
    if notes:
        print(f"{path}: {'; '.join(sentence for _, sentence in notes)}")
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)


def _given_sample(path: Path, class_name: str, conversion: Conversion) -> Sample:
    return Sample(name=str(path), class_name=class_name, lq=_read_image(path, conversion))


def _dataset_sample(item: Item) -> Sample:
    sample, *_ = item.read()
    return Sample(name=item.row.name, class_name=item.row.class_name, lq=sample["lq"], gt=sample.get("gt"))


def _guide_of(trained: TrainedNetwork) -> SemanticGuide:
    if not isinstance(trained.network, GuidedNetwork):
        raise ConfigError(
            f"network_g: {type(trained.network).__name__} has no semantic guide, so there are no units whose attention "
            f"could be explained; segsr explain needs a guided network, such as type: SeGSR."
        )
    if not trained.network.has_maps:
        raise ConfigError(
            f"network_g: semantics: modules: {trained.network.guide.config.modules} has no localization, so its units "
            f"have neither embeddings nor maps that could be explained; only sfem+slm+lmm has."
        )
    if trained.network.guide.config.maps == "zero":
        raise ConfigError(
            "network_g: semantics: maps: zero: its units get maps of zeros, so there is nothing to explain; give a "
            "network that was trained with maps: own."
        )
    return trained.network.guide


def _look(guide: SemanticGuide, device: torch.device, lq: Tensor, gt: Tensor | None) -> GuideView:
    return guide.view(lq.to(device), None if gt is None else gt.to(device))


def _collect(
    trained: TrainedNetwork, images: list[Path] | None, conversion: Conversion
) -> list[tuple[str, Callable[[], Sample]]]:
    """Give of each image the name of its data set, and what reads it."""
    if images is not None:
        classes = classes_of([path.stem for path in images])
        return [(_GIVEN, partial(_given_sample, path, classes[path.stem], conversion)) for path in images]
    return [
        (name, partial(_dataset_sample, item))
        for name, dataset in trained.datasets()
        for item in dataset_items(dataset)
    ]


def _read_all(readers: Iterable[tuple[str, Callable[[], Sample]]], counts: Counter, problems: list[str]) -> Iterator:
    """Read the images; those that cannot be used become problems, those that can are counted by data set."""
    for name, read in readers:
        try:
            sample = read()
        except DataError as error:
            problems.append(str(error))
            continue
        counts[name] += 1
        yield sample


def run(args: argparse.Namespace) -> int:
    """Explain a network, print the tables and write the files.

    Returns:
        0, or 1 if an image could not be used.

    Raises:
        ConfigError: If the options are wrong, the network has no guide, or its model no text tower.
        DataError: If no image, or not the vocabulary, can be read.
        WeightsError: If the text tower's weights cannot be had.
        CheckpointError: If the network's weights cannot be read or do not fit.
        DependencyError: If matplotlib, or what the tokenizer needs, is missing.
        SaveError: If a file cannot be written.
    """
    with figure_style():
        pass  # a missing matplotlib and wrong arguments are found before anything is loaded
    conversion = conversion_of(args)
    if args.image is None and conversion.asks:
        raise ConfigError(
            "--range, --bands: are for --image; of data sets, the option file says them (value_range:, bands:)."
        )
    templates = tuple(args.template or DEFAULT_TEMPLATES)
    build_vocabulary(path=args.vocabulary, templates=templates)
    trained = load_trained(args.opt, device=args.device)
    guide = _guide_of(trained)
    identity = guide.feature_extraction.identity
    text_tower = build_text_tower(guide.config, beside=identity).to(trained.device)
    counts: Counter[str] = Counter()
    problems: list[str] = []
    readers = _collect(trained, args.image, conversion)
    shown = progress(readers, total=len(readers), unit="image", what="explain")
    try:
        observations = observe(partial(_look, guide, trained.device), _read_all(shown, counts, problems))
    except DataError:
        if readers and len(problems) == len(readers):
            raise DataError("No image can be used:\n  " + "\n  ".join(problems)) from None
        raise
    subject = Subject(
        network=trained.name,
        scale=trained.scale,
        identity=identity,
        images=dict(counts),
        notes=guide_notes(guide.config),
    )
    vocabulary = build_vocabulary(
        path=args.vocabulary, templates=templates, class_names=set(observations.image_classes) - {NO_CLASS}
    )
    embeddings = embed_terms(text_tower, [vocabulary.sentences(term) for term in vocabulary.terms])
    turn = None if guide.tokens is None else guide.tokens.turn
    explanation = explain(observations, terms=vocabulary.terms, term_embeddings=embeddings, turn=turn)

    folder = args.out or Path("results") / trained.name / "explanation"
    there = {name for name in _FILES if (folder / name).exists()}
    provenance = describe_run(
        images=[ImageRow(name=name) for name in observations.image_names],
        seed=trained.opt.get("manual_seed"),
        checkpoint=trained.checkpoint,
        vlm=str(identity) + (" RANDOM WEIGHTS" if identity.is_random else ""),
    )
    figure = draw_explanation(explanation, subject=subject, top=args.top)
    with locked(folder):
        paths = write_explanation(folder, explanation, subject=subject, vocabulary=vocabulary, provenance=provenance)
        paths += save_figure(figure, folder / "explanation")
    print(format_explanation(explanation, subject=subject, vocabulary=vocabulary, top=args.top), end="\n\n")
    for path in paths:
        print(f"{'replaced' if path.name in there else 'wrote'} {path}")
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    return MISSING if problems else 0
