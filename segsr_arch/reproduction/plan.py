"""Which runs a table takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segsr_arch.errors import ConfigError
from segsr_arch.reproduction.paper_tables import Row, Table
from segsr_arch.reproduction.run_options import Settings, final_options, network_key, train_options
from segsr_arch.reproduction.variants import Variant, plain


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training and its measurement.

    Attributes:
        name: Name of the run, the same wherever the same network is trained with the same seed.
        network: Its name without the seed.
        seed: Its seed.
        train: Options of ``basicsr train``.
        final: Options of ``segsr evaluate -opt``.
        dataset: Name of the data set on which it is measured.
        data_digest: Which images it is trained and measured on; ``None`` if nobody looked.
        vlm_digest: Which files of a vision-language model guide it; ``None`` if no file does.
    """

    name: str
    network: str
    seed: int
    train: Mapping[str, Any]
    final: Mapping[str, Any]
    dataset: str
    data_digest: str | None = None
    vlm_digest: str | None = None

    @property
    def iterations(self) -> int:
        """How many iterations it is trained for."""
        return self.train["train"]["total_iter"]


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """A row of a table and its runs.

    Attributes:
        number: Its number in the table, from 1.
        row: The row.
        runs: One run a seed; of a row that cannot be run, those that were measured when it still could.
        baseline: Runs of the base alone, one a seed, whether the plan has them or not; none for a base alone.
        unavailable: Why it cannot be run; empty if it can.
    """

    number: int
    row: Row
    runs: tuple[Run, ...]
    baseline: tuple[Run, ...] = ()
    unavailable: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a table takes.

    Attributes:
        table: The table.
        settings: What all runs have in common.
        seeds: The seeds.
        rows: Its rows.
    """

    table: Table
    settings: Settings
    seeds: tuple[int, ...]
    rows: tuple[PlannedRow, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs, each once, seed after seed, so that a first complete table is there early."""
        runs = [run for row in self.rows for run in row.runs]
        ordered = sorted(runs, key=lambda run: self.seeds.index(run.seed))
        return tuple({run.name: run for run in ordered}.values())


def check_scale(table: Table, scale: int) -> None:
    """Make sure that the paper has a table at a scale.

    Raises:
        ConfigError: If not.
    """
    if scale not in table.scales:
        raise ConfigError(f"--scale: {table.key} has x{' and x'.join(map(str, table.scales))}, not x{scale}.")


def make_plan(table: Table, settings: Settings, *, seeds: Sequence[int], rows: Sequence[int] | None = None) -> Plan:
    """Plan a table.

    Args:
        table: The table.
        settings: What all runs have in common.
        seeds: The seeds, at least one.
        rows: Numbers of the rows, from 1, in any order; ``None`` for all.

    Returns:
        The plan. Rows that cannot be run are in it, with the reason.

    Raises:
        ConfigError: If the paper does not have the scale, or a row or seed is wrong or named twice.
    """
    check_scale(table, settings.scale)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(f"--seeds: give different whole numbers from 0, got {' '.join(map(str, seeds)) or 'none'}.")
    numbers = list(range(1, len(table.rows) + 1)) if rows is None else list(rows)
    wrong = [number for number in numbers if not 1 <= number <= len(table.rows)]
    if wrong or not numbers or len(set(numbers)) < len(numbers):
        listed = "; ".join(f"{number} {row.label}" for number, row in enumerate(table.rows, 1))
        raise ConfigError(f"--rows: give different numbers of rows of {table.key}: {listed}.")
    planned = [_plan_row(number, table.rows[number - 1], settings, seeds) for number in sorted(numbers)]
    return Plan(table=table, settings=settings, seeds=tuple(seeds), rows=tuple(planned))


def _plan_row(number: int, row: Row, settings: Settings, seeds: Sequence[int]) -> PlannedRow:
    try:
        runs = _runs(row.variant, settings, seeds)
    except ConfigError as error:
        return PlannedRow(number=number, row=row, runs=(), unavailable=str(error))
    baseline = () if row.variant.is_base else _runs(plain(row.variant.base), settings, seeds)
    return PlannedRow(number=number, row=row, runs=runs, baseline=baseline)


def _runs(variant: Variant, settings: Settings, seeds: Sequence[int]) -> tuple[Run, ...]:
    key, runs = network_key(variant, settings), []
    for seed in seeds:
        name = f"{key}_seed{seed}"
        runs.append(
            Run(
                name=name,
                network=key,
                seed=seed,
                train=train_options(variant, settings, name=name, seed=seed),
                final=final_options(variant, settings, name=name, seed=seed),
                dataset=settings.dataset_name(settings.final_split),
                data_digest=settings.data_digest,
                vlm_digest=None if variant.units is None else settings.vlm_digest,
            )
        )
    return tuple(runs)
