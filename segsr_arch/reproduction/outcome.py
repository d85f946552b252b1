"""What came out of a table's runs: values over seeds, and differences from the plain base, each kind by itself."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from segsr_arch.errors import ConfigError, DataError, SegsrError
from segsr_arch.evaluation.map_statistics import MapStatistics, recorded_statistics
from segsr_arch.reproduction.paper_tables import PaperValues, Row, Table, make_table
from segsr_arch.reproduction.plan import Plan, PlannedRow, Run
from segsr_arch.reproduction.variants import plain
from segsr_arch.reproduction.workplace import Progress, Workplace
from segsr_arch.results.comparison import check_comparable, common_columns
from segsr_arch.results.record import EvaluationRecord
from segsr_arch.results.statistics import PairedComparison, compare_pairs

PSNR, SSIM = "psnr_y-crop", "ssim_y-crop"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A value over seeds.

    Attributes:
        values: One value a seed.
        mean: Their mean.
        std: Their sample standard deviation (n - 1); ``None`` with fewer than two seeds.
    """

    values: tuple[float, ...]
    mean: float
    std: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Compute mean and deviation of at least one value."""
        finite = all(math.isfinite(value) for value in values)
        std = statistics.stdev(values) if len(values) > 1 and finite else None
        return cls(values=tuple(values), mean=statistics.fmean(values), std=std)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A finished run.

    Attributes:
        run: The run.
        record: Its values.
        progress: How long it took, and on what.
    """

    run: Run
    record: EvaluationRecord
    progress: Progress

    def mean(self, column: str) -> float:
        """Mean of a value over the images.

        Raises:
            KeyError: If no image has it.
        """
        values = list(self.record.values(column).values())
        if not values:
            raise KeyError(f"{column} is not measured in {self.run.name}")
        return statistics.fmean(values)

    @cached_property
    def maps(self) -> MapStatistics | None:
        """What its guidance maps are like; ``None`` if it has none, or their files cannot be read any more."""
        try:
            return recorded_statistics(self.record)
        except DataError:
            return None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A row against the plain base.

    Attributes:
        seeds: Seeds that both have.
        over_seeds: PSNR of the row minus that of the base with the same seed, in dB.
        over_images: The same for each image, the seeds' mean PSNR of the row against that of the base.
    """

    seeds: tuple[int, ...]
    over_seeds: Spread
    over_images: PairedComparison


@dataclass(frozen=True, kw_only=True)
class RowOutcome:
    """What came out of a row.

    Attributes:
        planned: The row and its runs.
        paper: What the paper reports at this scale, if it does.
        paper_difference: The paper's PSNR of the row minus that of its plain base, in dB; ``None`` for a plain base.
        measured: The finished runs.
        values: Values over seeds by column.
        difference: Against the plain base; ``None`` if there is none.
        missing: What is missing, a line each.
    """

    planned: PlannedRow
    paper: PaperValues | None = None
    paper_difference: float | None = None
    measured: tuple[Measured, ...] = ()
    values: Mapping[str, Spread] = field(default_factory=dict)
    difference: Difference | None = None
    missing: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """Median time of a training; ``None`` if there is none."""
        return statistics.median(one.progress.train_seconds for one in self.measured) if self.measured else None

    @property
    def map_correlation(self) -> Spread | None:
        """Correlation between the maps of two units, over seeds; ``None`` if no run has one."""
        found = [one.maps.correlation for one in self.measured if one.maps and one.maps.correlation is not None]
        return Spread.of(found) if found else None

    @property
    def map_deviation(self) -> Spread | None:
        """Deviation of a map within an image, over seeds; ``None`` if no run has maps."""
        found = [one.maps.deviation for one in self.measured if one.maps]
        return Spread.of(found) if found else None

    @property
    def is_plain(self) -> bool:
        """Whether it is a base alone."""
        return self.planned.row.variant.is_base


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of a table.

    Attributes:
        plan: What was to be run.
        rows: Its rows.
    """

    plan: Plan
    rows: tuple[RowOutcome, ...]

    @property
    def is_about_differences(self) -> bool:
        """Whether each network of the table is guided or widened, or is the base of one that is."""
        variants = [row.variant for row in self.plan.table.rows]
        bases = {variant.base for variant in variants if not variant.is_base}
        return all(not variant.is_base or variant.base in bases for variant in variants)

    @property
    def measured(self) -> list[Measured]:
        """All finished runs of its rows."""
        return [one for row in self.rows for one in row.measured]


def collect(plan: Plan, place: Workplace, *, failed: Mapping[str, SegsrError] | None = None) -> Outcome:
    """Read what the runs of a plan have left in a workplace.

    The plain base of a guided row is read, too, where it was measured under the same conditions, be it for another
    table.

    Args:
        plan: The plan.
        place: Where the runs are.
        failed: Errors of this time, by the names of runs.

    Returns:
        The outcome, of as many runs as are finished.

    Raises:
        DataError: If a file about the progress of a run cannot be read. Values that cannot be read are missing.
    """
    found: dict[str, Measured | None] = {}
    failed = dict(failed or {})

    def measured(run: Run) -> Measured | None:
        if run.name not in found:
            try:
                record = place.record(run)
            except DataError as error:
                record, failed[run.name] = None, error
            found[run.name] = record and Measured(run=run, record=record, progress=place.progress(run))
        return found[run.name]

    rows = []
    for planned in plan.rows:
        own = [one for run in planned.runs if (one := measured(run)) is not None]
        missing = _missing(planned, own, failed)
        values, difference = {}, None
        try:
            values = _values(own)
            if own and planned.baseline:
                place.check(planned.baseline)
                difference = _difference(own, [one for run in planned.baseline if (one := measured(run)) is not None])
                without = [one.run.seed for one in own if difference is None or one.run.seed not in difference.seeds]
                if without:
                    missing.append(f"difference: {_without_base(plan.table, planned.row, without)}")
        except ConfigError as error:  # runs of other images or conditions must not stand in one line
            missing.append(f"{'difference' if values else 'figures'}: {error}")
        rows.append(
            RowOutcome(
                planned=planned,
                paper=planned.row.paper.get(plan.settings.scale),
                paper_difference=_paper_difference(plan.table, planned.row, plan.settings.scale),
                measured=tuple(own),
                values=values,
                difference=difference,
                missing=tuple(missing),
            )
        )
    return Outcome(plan=plan, rows=tuple(rows))


def _missing(planned: PlannedRow, own: Sequence[Measured], failed: Mapping[str, SegsrError]) -> list[str]:
    there = {one.run.name for one in own}
    lines = [planned.unavailable] if planned.unavailable else []
    for run in planned.runs:
        if run.name not in there:
            reason = f"failed: {str(failed[run.name]).splitlines()[0]}" if run.name in failed else "not finished"
            lines.append(f"seed {run.seed}: {reason}")
    return lines


def _values(own: Sequence[Measured]) -> dict[str, Spread]:
    """Values over seeds.

    Raises:
        ConfigError: If the runs were not measured on the same images in the same way.
    """
    if not own:
        return {}
    guides = sorted({str(one.record.provenance.get("vlm")) for one in own})
    if len(guides) > 1:
        raise ConfigError(f"the seeds were trained beside different vision-language models: {'; '.join(guides)}")
    columns = _comparable_columns([one.record for one in own])
    return {column: Spread.of([one.mean(column) for one in own]) for column in columns}


def _comparable_columns(records: Sequence[EvaluationRecord]) -> list[str]:
    for record in records[1:]:
        check_comparable(records[0], record)
    return common_columns(records)


def _difference(own: Sequence[Measured], bases: Sequence[Measured]) -> Difference | None:
    """Compare a row with its plain base on the seeds that both have.

    Raises:
        ConfigError: If they were not measured on the same images in the same way.
    """
    by_seed = {one.run.seed: one for one in bases}
    pairs = [(one, by_seed[one.run.seed]) for one in own if one.run.seed in by_seed]
    if not pairs:
        return None
    _comparable_columns([one.record for pair in pairs for one in pair])
    values = [[one.record.values(PSNR) for one in side] for side in zip(*pairs, strict=True)]
    names = sorted(set.intersection(*(set(each) for side in values for each in side)))
    ours, theirs = ([statistics.fmean(each[name] for each in side) for name in names] for side in values)
    return Difference(
        seeds=tuple(one.run.seed for one, _ in pairs),
        over_seeds=Spread.of([one.mean(PSNR) - base.mean(PSNR) for one, base in pairs]),
        over_images=compare_pairs(ours, theirs, better="higher"),
    )


def _find_row(table: Table, key: str) -> tuple[int, Row] | None:
    """A row of a table by the key of its network, with its number."""
    for number, row in enumerate(table.rows, 1):
        if row.variant.key == key:
            return number, row
    return None


def _without_base(table: Table, row: Row, seeds: Sequence[int]) -> str:
    base = plain(row.variant.base).key
    text = f"the plain {base} is not measured with seed {', '.join(map(str, seeds))} in this folder"
    for other in (table, make_table("table7")):
        if (found := _find_row(other, base)) is not None and other.dataset == table.dataset:
            return f"{text}; it is row {found[0]} of {other.key}"
    return text


def _paper_difference(table: Table, row: Row, scale: int) -> float | None:
    """The paper's own difference: its plain base is that of the table, or else that of table VII."""
    own = row.paper.get(scale)
    if own is None or row.variant.units is None:
        return None
    base = plain(row.variant.base).key
    found = _find_row(table, base) or _find_row(make_table("table7"), table.paper_base or base)
    return None if found is None or scale not in found[1].paper else own.psnr - found[1].paper[scale].psnr
