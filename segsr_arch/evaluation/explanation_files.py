"""An explanation as a printed table, as JSON and as CSV."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segsr_arch.evaluation.class_statistics import CLASS_DEFINITIONS, ClassStatistics
from segsr_arch.evaluation.explanation import SOURCES, TERM_DEFINITIONS, Explanation
from segsr_arch.evaluation.vocabulary import Vocabulary
from segsr_arch.files.text_files import make_folder, write_csv, write_json
from segsr_arch.semantics import VlmIdentity

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
    """

    network: str
    scale: int
    identity: VlmIdentity
    images: Mapping[str, int]

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


def _columns(rows: Sequence[Sequence[str]], left: Iterable[int]) -> list[str]:
    """Align the columns of a table, those of numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    left = set(left)
    return [
        "  ".join(cell.ljust(width) if i in left else cell.rjust(width) for i, (cell, width) in line).rstrip()
        for line in (list(enumerate(zip(row, widths, strict=True))) for row in rows)
    ]


def _number(value: float, places: str) -> str:
    return "-" if math.isnan(value) else format(value, places)


def _term_table(explanation: Explanation, top: int) -> list[str]:
    rows = [["unit", "rank", *(cell for source in SOURCES for cell in (source, "cosine", "relative"))]]
    for unit in range(explanation.num_units):
        nearest = [explanation.nearest(source, unit, top) for source in SOURCES]
        for rank, terms in enumerate(zip(*nearest, strict=True), start=1):
            cells = [str(unit + 1) if rank == 1 else "", str(rank)]
            for near in terms:
                cells += [near.term, f"{near.cosine:.4f}", f"{near.relative:+.4f}"]
            rows.append(cells)
    return _columns(rows, left=(2, 5))


def _class_table(statistics: ClassStatistics, explanation: Explanation) -> list[str]:
    rows = [["unit", "mean", "spread", "eta2", "chance", "highest maps (mean, deviation over images)", "lowest"]]
    for unit in range(explanation.num_units):
        order = np.argsort(-statistics.means[:, unit], kind="stable")
        named = [
            f"{class_label(statistics.names[i])} {statistics.means[i, unit]:+.3f}"
            + (f" ({statistics.deviations[i, unit]:.3f})" if statistics.counts[i] > 1 else "")
            for i in order
        ]
        rows.append(
            [
                str(unit + 1),
                f"{explanation.map_means[:, unit].mean():+.3f}",
                f"{explanation.map_spreads[:, unit].mean():.3f}",
                _number(statistics.eta_squared[unit], ".2f"),
                _number(statistics.eta_squared_by_chance, ".2f"),
                ", ".join(named[:_SHOWN_CLASSES]),
                ", ".join(named[_SHOWN_CLASSES:][-_SHOWN_CLASSES:]),
            ]
        )
    return _columns(rows, left=(5, 6))


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
            "",
            *warning,
            "Nearest terms of each unit: of its localization embedding, and of the patches that its map selects",
            "(cosine: mean over images; relative: minus the mean over the vocabulary)",
            *_term_table(explanation, top),
            *([note] if (note := likeness_note(explanation)) else []),
            "",
            "Maps of each unit over the images (eta2: share of the variance of the map's mean that the class explains;",
            "chance: what it would be if the class explained nothing)",
            *_class_table(statistics, explanation),
            *([""] + warning[:1] if warning else []),
        ]
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _scores(explanation: Explanation, source: str, unit: int) -> list[dict[str, Any]]:
    deviations = dict(zip(explanation.terms, explanation.cosine_deviations[source][unit], strict=True))
    return [
        {**asdict(near), "cosine_std": _known(deviations[near.term])}
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
        "eta_squared_by_chance": _known(statistics.eta_squared_by_chance),
        "unit_similarity": explanation.unit_similarity.tolist(),
        "units": [
            {
                "unit": unit + 1,
                "map_mean": float(explanation.map_means[:, unit].mean()),
                "map_spread": float(explanation.map_spreads[:, unit].mean()),
                "eta_squared": _known(statistics.eta_squared[unit]),
                **{source: _scores(explanation, source, unit) for source in SOURCES},
            }
            for unit in units
        ],
        "classes": [
            {
                "class": name,
                "images": int(statistics.counts[i]),
                "map_mean": statistics.means[i].tolist(),
                "map_mean_std": [_known(value) for value in statistics.deviations[i]],
                "map_spread": statistics.spreads[i].tolist(),
            }
            for i, name in enumerate(statistics.names)
        ],
        "images": [
            {"name": name, "class": class_name, "map_mean": means.tolist(), "map_spread": spreads.tolist()}
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
            deviation = _number(statistics.deviations[i, unit], ".6f")
            yield [
                unit + 1,
                name,
                int(statistics.counts[i]),
                f"{statistics.means[i, unit]:.6f}",
                None if deviation == "-" else deviation,
                f"{statistics.spreads[i, unit]:.6f}",
                None if math.isnan(eta) else f"{eta:.6f}",
            ]


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
        provenance: Where the figures come from; JSON can hold it.

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
