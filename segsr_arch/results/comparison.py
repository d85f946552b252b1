"""Several methods on the same images: one table a class as the paper's table III, and pairs of methods."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from segsr_arch.errors import ConfigError
from segsr_arch.results.record import EvaluationRecord, ImageRow, scale_title
from segsr_arch.results.statistics import Mean, PairedComparison, compare_pairs
from segsr_arch.results.tables import Cell, Table


def by_dataset(records: Sequence[EvaluationRecord]) -> dict[str, list[EvaluationRecord]]:
    """Group methods by what they were evaluated on.

    Args:
        records: Any evaluations.

    Returns:
        Methods by the name of the data set, to which ``_x2`` and the like are added if it was used at several scales.
    """
    scales: dict[str, set[int | None]] = {}
    for record in records:
        scales.setdefault(record.dataset, set()).add(record.scale)
    groups: dict[str, list[EvaluationRecord]] = {}
    for record in records:
        suffix = f"_{scale_title(record.scale)}".replace(" ", "_") if len(scales[record.dataset]) > 1 else ""
        groups.setdefault(f"{record.dataset}{suffix}", []).append(record)
    return groups


def with_own_names(records: Iterable[EvaluationRecord]) -> list[tuple[EvaluationRecord, int]]:
    """Number methods of one name on one data set, in order: the second becomes ``name (2)``; with its number."""
    counts: Counter[tuple[str, str, int | None]] = Counter()
    named = []
    for record in records:
        key = record.method, record.dataset, record.scale
        counts[key] += 1
        own = record if counts[key] == 1 else replace(record, method=f"{record.method} ({counts[key]})")
        named.append((own, counts[key]))
    return named


def _names(record: EvaluationRecord) -> set[str]:
    return {row.name for row in record.images}


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def check_comparable(a: EvaluationRecord, b: EvaluationRecord) -> None:
    """Make sure that two evaluations measured the same images of the same data.

    Raises:
        ConfigError: If not; what differs is named, with the first names.
    """
    what = f"{a.method} and {b.method} cannot be compared"
    if a.scale != b.scale:
        raise ConfigError(f"{what}: {scale_title(a.scale)} against {scale_title(b.scale)}.")
    names_a, names_b = _names(a), _names(b)
    if names_a != names_b:
        only = "; ".join(
            f"{len(names)} only in {record.method} ({_listed(names)})"
            for names, record in ((names_a - names_b, a), (names_b - names_a, b))
            if names
        )
        raise ConfigError(f"{what}: they measured different images: {only}. Evaluate both on the same images.")
    digests = {row.name: row.gt_digest for row in a.images}
    other = [row.name for row in b.images if _differ(row.gt_digest, digests[row.name])]
    if other:
        raise ConfigError(
            f"{what}: the ground truth of {len(other)} images has other pixels, though the names are the same "
            f"({_listed(other)}). Evaluate both against the same ground truth."
        )


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other


def restrict_to_common(records: Sequence[EvaluationRecord]) -> list[EvaluationRecord]:
    """Leave out the images that not every method has.

    Args:
        records: Methods on one data set.

    Returns:
        New records; values of whole sets, which cannot be restricted, are left out if an image was.

    Raises:
        ConfigError: If no image is common to all.
    """
    common = set.intersection(*(_names(record) for record in records))
    if not common:
        raise ConfigError(f"{', '.join(record.method for record in records)} have no image in common.")
    return [
        record
        if _names(record) == common
        else replace(record, images=tuple(row for row in record.images if row.name in common), set_values={})
        for record in records
    ]


def common_columns(records: Sequence[EvaluationRecord]) -> list[str]:
    """Names of the columns that all records have, computed the same way, in the order of the first.

    Raises:
        ConfigError: If there is none.
    """
    names = [
        column.name
        for column in records[0].columns
        if all(any(column.is_same_figure(other) for other in record.columns) for record in records)
    ]
    if not names:
        listed = "; ".join(f"{record.method}: {', '.join(record.column_names) or 'nothing'}" for record in records)
        raise ConfigError(
            f"No figure was computed in the same way for every method ({listed}). Evaluate them with the same "
            f"protocols and metrics."
        )
    return names


def paired_columns(records: Sequence[EvaluationRecord]) -> list[str]:
    """Names of the common columns in which methods can be compared image by image: no values of whole sets.

    Raises:
        ConfigError: If the methods have no column in common.
    """
    return [
        name for name in common_columns(records) if set.intersection(*(set(record.values(name)) for record in records))
    ]


def on_shared_values(records: Sequence[EvaluationRecord], *, column: str) -> list[EvaluationRecord]:
    """Leave out the values of a column of which not every method has one, so that means are those of the same images.

    Args:
        records: Methods on the same images.
        column: What is compared.

    Returns:
        The records, all images still in them; a record that loses nothing is itself.
    """
    shared = set.intersection(*(set(record.values(column)) for record in records))

    def of_shared(row: ImageRow) -> ImageRow:
        kept = row.name in shared or column not in row.values
        return row if kept else replace(row, values={name: v for name, v in row.values.items() if name != column})

    return [
        record
        if shared.issuperset(record.values(column))
        else replace(record, images=tuple(map(of_shared, record.images)))
        for record in records
    ]


def compare_records(a: EvaluationRecord, b: EvaluationRecord, *, column: str) -> PairedComparison:
    """Compare two methods image by image.

    Args:
        a: Method A.
        b: Method B.
        column: What is compared.

    Returns:
        Mean of A - B over the images that both have a value for, its interval, and the shares won and lost.

    Raises:
        ConfigError: If they did not measure the same images in the same way.
    """
    check_comparable(a, b)
    common_columns([a, b])
    if not a.column(column).is_same_figure(b.column(column)):
        raise ConfigError(
            f"{column}: was not computed in the same way for {a.method} and {b.method}: {a.column(column)} against "
            f"{b.column(column)}."
        )
    values_a, values_b = a.values(column), b.values(column)
    names = sorted(values_a.keys() & values_b.keys())
    if not names:
        raise ConfigError(f"{column}: {a.method} and {b.method} have no image in common that has a value.")
    return compare_pairs(
        [values_a[name] for name in names], [values_b[name] for name in names], better=a.column(column).better
    )


def class_table(records: Sequence[EvaluationRecord], *, column: str) -> Table:
    """One row a class, one value a method, and the mean over all images below (Chen et al., SeG-SR, table III).

    Args:
        records: The methods.
        column: What is shown.

    Returns:
        The table, in the order of the classes' names; nothing stands where a method has no value, and the number of
        images where one has fewer than another.
    """
    decimals = next((each.decimals for record in records for each in record.columns if each.name == column), 0)

    def row(name: str, means: Iterable[Mapping[str, Mean]]) -> tuple[Cell, ...]:
        found = [of_method.get(column) for of_method in means]
        most = max((mean.n for mean in found if mean is not None), default=0)
        cells = (
            Cell()
            if mean is None
            else Cell(value=mean.mean, decimals=decimals, note="" if mean.n == most else f" {mean.n} of {most} images")
            for mean in found
        )
        return Cell(value=name), *cells

    classes = sorted({class_name for record in records for class_name in record.class_summary})
    return Table(
        headers=("class", *(record.method for record in records)),
        rows=tuple(row(name, (record.class_summary.get(name, {}) for record in records)) for name in classes),
        foot=(row("mean", (record.summary for record in records)),),
    )
