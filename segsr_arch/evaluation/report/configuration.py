"""Where the values come from, as lines that people read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segsr_arch.evaluation.report.sections import Section
from segsr_arch.results.provenance import is_random_vlm
from segsr_arch.results.record import EvaluationRecord


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One evaluation.

    Attributes:
        title: Method and data set.
        lines: Names and values, nested names joined by a space.
        options: Text of the option file, ``None`` if there was none.
        problems: What was left out of the evaluation.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    options: str | None
    problems: tuple[str, ...]


def _flatten(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        title = f"{above} {name.replace('_', ' ')}".strip()
        if isinstance(value, Mapping):
            yield from _flatten(value, title)
        elif value is not None:
            yield title, str(value)


def has_random_weights(record: EvaluationRecord) -> bool:
    """Whether the vision-language model of this method had random weights."""
    return is_random_vlm(record.provenance.get("vlm"))


def random_weights_warnings(records: Iterable[EvaluationRecord]) -> list[str]:
    """One line a method whose vision-language model had random weights, of tests and trainings alike."""
    found = {
        f"{record.method}: the vision-language model has random weights ({record.provenance['vlm']}). Its guidance "
        f"maps carry no semantic knowledge; its figures do not stand for the method with a pretrained model."
        for record in records
        if has_random_weights(record)
    }
    return sorted(found)


def describe(sections: Sequence[Section]) -> list[Configuration]:
    """Describe every evaluation of a report."""
    return [
        Configuration(
            title=f"{record.method} on {section.title}",
            lines=(
                *((f"{column.name} computed by", column.backend) for column in record.columns if column.backend),
                *_flatten(record.provenance),
            ),
            options=record.options,
            problems=record.problems,
        )
        for section in sections
        for record in section.records
    ]
