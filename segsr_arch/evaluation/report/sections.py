"""Evaluations in the groups that a report shows: one section for each data set and scale."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from segsr_arch.errors import ConfigError
from segsr_arch.results.comparison import check_comparable, on_shared_values, with_own_names
from segsr_arch.results.record import Column, EvaluationRecord, scale_title


@dataclass(frozen=True, kw_only=True)
class Section:
    """The methods that were measured on one data set at one scale.

    Attributes:
        dataset: Name of the data set.
        scale: Upscaling factor; ``None`` if it is not known.
        records: The methods; no two have the same name.
        notes: What a reader must know before comparing them.
    """

    dataset: str
    scale: int | None
    records: tuple[EvaluationRecord, ...]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Data set and scale."""
        return f"{self.dataset}, {scale_title(self.scale)}"

    @property
    def pixel_scale(self) -> int:
        """Side of an LR pixel in pixels of the other images; 1 where the scale is not known and LR is not there."""
        return self.scale or 1

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns that at least one method has, each name once."""
        found = {}
        for record in self.records:
            for column in record.columns:
                if column.name in record.summary:
                    found.setdefault(column.name, column)
        return tuple(found.values())

    def column(self, name: str) -> Column | None:
        """The column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    @cached_property
    def incomparable(self) -> dict[frozenset[str], str]:
        """Pairs of methods that cannot be compared by any column, with the reason."""
        found = {}
        for a, b in itertools.combinations(self.records, 2):
            try:
                check_comparable(a, b)
            except ConfigError as error:
                found[frozenset((a.method, b.method))] = str(error)
        return found

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why which methods cannot be compared by any column; empty if all can."""
        return tuple(self.incomparable.values())

    def comparable(self, column: Column) -> bool:
        """Whether all methods have this column, of the same images, computed in the same way."""
        same = all(any(column.is_same_figure(other) for other in record.columns) for record in self.records)
        return same and all(column.name in record.summary for record in self.records) and not self.obstacles

    @cached_property
    def image_names(self) -> tuple[str, ...]:
        """Names of all images, sorted."""
        return tuple(sorted({row.name for record in self.records for row in record.images}))

    def has_same_images(self, column: Column, *, class_name: str | None = None) -> bool:
        """Whether all methods that have values of this column, or of it in one class, have them of the same images."""
        of = {row.name: row.class_name for record in self.records for row in record.images}
        found = [
            {name for name in record.values(column.name) if class_name in (None, of[name])} for record in self.records
        ]
        return len({frozenset(names) for names in found if names}) < 2

    def ranked(self, column: Column) -> list[EvaluationRecord]:
        """The methods that have this column, the best first, by their means over the images that all have a value of.

        Where they have none in common, by the means that they have.
        """
        measured = [record for record in self.records if column.name in record.summary]
        if not measured:
            return []
        shared = on_shared_values(measured, column=column.name)
        means = [record.summary.get(column.name) for record in shared]
        of = dict(zip((record.method for record in measured), means, strict=True))

        def mean(record: EvaluationRecord) -> float:
            return (of[record.method] or record.summary[column.name]).mean

        return sorted(measured, key=mean, reverse=column.better == "higher")

    def best_record(self, column: Column) -> EvaluationRecord | None:
        """The first of :meth:`ranked`, ``None`` if no method has this column."""
        return next(iter(self.ranked(column)), None)


def without_repetitions(records: Iterable[EvaluationRecord]) -> list[EvaluationRecord]:
    """Drop evaluations that were given twice, for instance by a folder and a folder above it."""
    found: list[EvaluationRecord] = []
    for record in records:
        if record not in found:
            found.append(record)
    return found


def distinct_runs(folders: Iterable[Sequence[EvaluationRecord]]) -> tuple[list[EvaluationRecord], list[str]]:
    """Number trainings of one name in different folders.

    Args:
        folders: Validations of each folder that was given.

    Returns:
        The validations, none twice, and notes on what was numbered.
    """
    known: list[EvaluationRecord] = []
    kept: list[EvaluationRecord] = []
    counts: dict[str, int] = {}
    notes = []
    for records in folders:
        new = [record for record in records if record not in known]
        known += new
        for method in dict.fromkeys(record.method for record in new):
            counts[method] = count = counts.get(method, 0) + 1
            name = method if count == 1 else f"{method} ({count})"
            if count > 1:
                notes.append(f"Several trainings are called {method}; number {count}, as they were given, is {name}.")
            kept += [replace(record, method=name) for record in new if record.method == method]
    return kept, notes


def last_validations(records: Iterable[EvaluationRecord]) -> list[EvaluationRecord]:
    """The validation of the last iteration of each run and data set; its method's name says the iteration."""
    last: dict[tuple[str, str, int | None], EvaluationRecord] = {}
    for record in records:
        key = (record.method, record.dataset, record.scale)
        if key not in last or (record.iteration or 0) > (last[key].iteration or 0):
            last[key] = record
    return [replace(record, method=f"{record.method} @ {record.iteration}") for record in last.values()]


def _with_own_names(records: Sequence[EvaluationRecord]) -> tuple[list[EvaluationRecord], list[str]]:
    """Number methods that share a name; returns them with notes that say so."""
    named = with_own_names(records)
    notes = []
    for before, (record, number) in zip(records, named, strict=True):
        if number > 1:
            checkpoint = (record.provenance.get("checkpoint") or {}).get("path", "none")
            notes.append(
                f"Several evaluations are called {before.method}; number {number} is shown as {record.method} "
                f"(checkpoint: {checkpoint}, evaluated {record.provenance.get('created', 'at an unknown time')})."
            )
    return [record for record, _ in named], notes


def group_records(records: Iterable[EvaluationRecord]) -> list[Section]:
    """Group evaluations by data set and scale.

    Args:
        records: Evaluations of any methods on any data sets.

    Returns:
        The sections, in the order in which their data sets appear first.
    """
    groups: dict[tuple[str, int | None], list[EvaluationRecord]] = {}
    for record in records:
        groups.setdefault((record.dataset, record.scale), []).append(record)
    sections = []
    for (dataset, scale), group in groups.items():
        named, notes = _with_own_names(group)
        sections.append(Section(dataset=dataset, scale=scale, records=tuple(named), notes=tuple(notes)))
    return sections
