"""An explanation as a printed table, as JSON and as CSV."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segsr_arch.evaluation.class_statistics import CLASS_DEFINITIONS, ClassStatistics
from segsr_arch.evaluation.explanation import SOURCES, TERM_DEFINITIONS, Explanation
from segsr_arch.evaluation.vocabulary import Vocabulary
from segsr_arch.files.text_files import make_folder, write_csv, write_json
from segsr_arch.freezing import FrozenIdentity
from segsr_arch.results.tables import Cell, Table, plain_number, to_text

RANDOM_WARNING = (
    "RANDOM WEIGHTS: the vision-language model was never trained, so THE WORDS MEAN NOTHING. "
    "Only the statistics of the maps describe this network."
)
_SHOWN_CLASSES = 3


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What was explained.

    Attributes:
        network: Name of the network.
        scale: Its upscaling factor.
        identity: Its vision-language model.
        images: Number of images by name of the data set.
        notes: What a reader must know of its guide (:func:`segsr_arch.evaluation.guide_notes.guide_notes`).
    """

    network: str
    scale: int
    identity: FrozenIdentity
    images: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def warning(self) -> str | None:
        """What a reader must know before reading a word; ``None`` if there is nothing."""
        return RANDOM_WARNING if self.identity.is_random else None

    def __str__(self) -> str:
        listed = " and ".join(f"{count} image{'s' * (count != 1)} of {name}" for name, count in self.images.items())
        return f"{self.network} (x{self.scale}) on {listed}"


def class_label(name: str) -> str:
    """Name a class for people; images without a class have the empty one."""
    return name or "(no class)"


def likeness_note(explanation: Explanation) -> str | None:
    """Say which units look at the same; ``None`` if none do."""
    pairs = explanation.alike()
    if not pairs:
        return None
    listed = ", ".join(
        f"{first + 1} and {second + 1} ({explanation.unit_similarity[first, second]:.4f})" for first, second in pairs
    )
    return f"Units that look at the same (similarity of their embeddings above 0.99): {listed}"


def _term_table(explanation: Explanation, top: int) -> str:
    rows = []
    for unit in range(explanation.num_units):
        nearest = [explanation.nearest(source, unit, top) for source in SOURCES]
        for rank, terms in enumerate(zip(*nearest, strict=True), start=1):
            cells = [Cell(value=str(unit + 1) if rank == 1 else ""), Cell(value=rank)]
            for near in terms:
                cells += [Cell(value=near.term), Cell(value=near.cosine, decimals=4)]
                cells.append(Cell(value=near.relative, decimals=4, signed=True))
            rows.append(tuple(cells))
    headers = ("unit", "rank", *(header for source in SOURCES for header in (source, "cosine", "relative")))
    return to_text(Table(headers=headers, rows=tuple(rows), left=(2, 5)), rule="")


def _class_table(statistics: ClassStatistics, explanation: Explanation) -> str:
    rows = []
    for unit in range(explanation.num_units):
        order = np.argsort(-statistics.means[:, unit], kind="stable")
        named = [
            f"{class_label(statistics.names[i])} {statistics.means[i, unit]:+.3f}"
            + (f" ({statistics.deviations[i, unit]:.3f})" if statistics.counts[i] > 1 else "")
            for i in order
        ]
        rows.append(
            (
                Cell(value=unit + 1),
                Cell(value=explanation.map_means[:, unit].mean(), decimals=3, signed=True),
                Cell(value=explanation.map_spreads[:, unit].mean(), decimals=3),
                Cell(value=statistics.eta_squared[unit], decimals=2),
                Cell(value=statistics.eta_squared_by_chance, decimals=2),
                Cell(value=", ".join(named[:_SHOWN_CLASSES])),
                Cell(value=", ".join(named[_SHOWN_CLASSES:][-_SHOWN_CLASSES:])),
            )
        )
    headers = ("unit", "mean", "spread", "eta2", "chance", "highest maps (mean, deviation over images)", "lowest")
    return to_text(Table(headers=headers, rows=tuple(rows), left=(5, 6)), rule="")


def format_explanation(explanation: Explanation, *, subject: Subject, vocabulary: Vocabulary, top: int) -> str:
    """Write an explanation as text.

    Args:
        explanation: The scores.
        subject: What was explained.
        vocabulary: The terms.
        top: How many terms a unit.

    Returns:
        Lines without a final newline.
    """
    statistics = explanation.by_class
    warning = [f"!!! {subject.warning} !!!", ""] if subject.warning else []
    return "\n".join(
        [
            f"{subject}; {len(statistics.names)} class{'es' * (len(statistics.names) != 1)}",
            f"Vision-language model: {subject.identity}",
            f"Vocabulary: {len(vocabulary.terms)} terms ({vocabulary.source}), {len(vocabulary.templates)} templates",
            *(f"Note: {note}" for note in subject.notes),
            "",
            *warning,
            "Nearest terms of each unit: of its localization embedding, and of the patches that its map selects",
            "(cosine: mean over images; relative: minus the mean over the vocabulary)",
            _term_table(explanation, top),
            *([note] if (note := likeness_note(explanation)) else []),
            "",
            "Maps of each unit over the images (eta2: share of the variance of the map's mean that the class explains;",
            "chance: what it would be if the class explained nothing)",
            _class_table(statistics, explanation),
            *([""] + warning[:1] if warning else []),
        ]
    )


def _scores(explanation: Explanation, source: str, unit: int) -> list[dict[str, Any]]:
    deviations = dict(zip(explanation.terms, explanation.cosine_deviations[source][unit], strict=True))
    return [
        {**asdict(near), "cosine_std": deviations[near.term]}
        for near in explanation.nearest(source, unit, len(explanation.terms))
    ]


def _content(
    explanation: Explanation, subject: Subject, vocabulary: Vocabulary, provenance: Mapping[str, Any]
) -> dict[str, Any]:
    statistics = explanation.by_class
    units = range(explanation.num_units)
    return {
        "format": 1,
        "warning": subject.warning,
        "notes": list(subject.notes),
        "random_weights": subject.identity.is_random,
        "network": subject.network,
        "scale": subject.scale,
        "datasets": dict(subject.images),
        "vlm": asdict(subject.identity),
        "vocabulary": {
            "source": vocabulary.source,
            "digest": vocabulary.digest,
            "templates": list(vocabulary.templates),
            "terms": list(vocabulary.terms),
        },
        "definitions": {**TERM_DEFINITIONS, **CLASS_DEFINITIONS},
        "eta_squared_by_chance": statistics.eta_squared_by_chance,
        "unit_similarity": explanation.unit_similarity,
        "units": [
            {
                "unit": unit + 1,
                "map_mean": explanation.map_means[:, unit].mean(),
                "map_spread": explanation.map_spreads[:, unit].mean(),
                "eta_squared": statistics.eta_squared[unit],
                **{source: _scores(explanation, source, unit) for source in SOURCES},
            }
            for unit in units
        ],
        "classes": [
            {
                "class": name,
                "images": statistics.counts[i],
                "map_mean": statistics.means[i],
                "map_mean_std": statistics.deviations[i],
                "map_spread": statistics.spreads[i],
            }
            for i, name in enumerate(statistics.names)
        ],
        "images": [
            {"name": name, "class": class_name, "map_mean": means, "map_spread": spreads}
            for name, class_name, means, spreads in zip(
                explanation.image_names,
                explanation.image_classes,
                explanation.map_means,
                explanation.map_spreads,
                strict=True,
            )
        ],
        "provenance": dict(provenance),
    }


def _unit_rows(explanation: Explanation) -> Iterable[list[Any]]:
    for unit in range(explanation.num_units):
        for source in SOURCES:
            for rank, near in enumerate(explanation.nearest(source, unit, len(explanation.terms)), start=1):
                yield [unit + 1, source, rank, near.term, f"{near.cosine:.6f}", f"{near.relative:.6f}"]


def _class_rows(statistics: ClassStatistics) -> Iterable[list[Any]]:
    for unit, eta in enumerate(statistics.eta_squared):
        for i, name in enumerate(statistics.names):
            found = statistics.means[i, unit], statistics.deviations[i, unit], statistics.spreads[i, unit], eta
            yield [unit + 1, name, statistics.counts[i], *(plain_number(each, 6, missing="") for each in found)]


def write_explanation(
    folder: Path,
    explanation: Explanation,
    *,
    subject: Subject,
    vocabulary: Vocabulary,
    provenance: Mapping[str, Any],
) -> list[Path]:
    """Write ``explanation.json`` (everything), ``units.csv`` (terms) and ``classes.csv`` (maps), each atomically.

    Args:
        folder: Made if it is not there; files of the same names are replaced.
        explanation: The scores.
        subject: What was explained.
        vocabulary: The terms.
        provenance: Where the values come from; JSON can hold it.

    Returns:
        The paths.

    Raises:
        SaveError: If a file cannot be written.
    """
    make_folder(folder)
    return [
        write_json(folder / "explanation.json", _content(explanation, subject, vocabulary, provenance)),
        write_csv(
            folder / "units.csv", ["unit", "source", "rank", "term", "cosine", "relative"], _unit_rows(explanation)
        ),
        write_csv(
            folder / "classes.csv",
            ["unit", "class", "images", "map_mean", "map_mean_std", "map_spread", "eta_squared"],
            _class_rows(explanation.by_class),
        ),
    ]
