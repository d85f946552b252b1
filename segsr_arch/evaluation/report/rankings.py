"""Which images a report shows: the worst and the best, those where methods differ most, and a spread of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.report.report_tables import short_title
from segsr_arch.evaluation.report.sections import Section
from segsr_arch.results.comparison import compare_records
from segsr_arch.results.record import Column, EvaluationRecord
from segsr_arch.results.tables import typeset_number

DEPTH = 4
_RANKED_SHARE = 0.75


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Some images in an order.

    Attributes:
        title: What the order is.
        left: Method to be seen left of the divider, ``None`` for the ground truth.
        right: Method right of it, ``None`` for the ground truth.
        entries: Image names and what is said of each, the most telling first.
    """

    title: str
    left: str | None
    right: str | None
    entries: tuple[tuple[str, str], ...]


def _ordered(values: dict[str, float], *, highest: bool) -> list[str]:
    sign = -1 if highest else 1
    return sorted(values, key=lambda name: (sign * values[name], name))


def _differences(a: EvaluationRecord, b: EvaluationRecord, column: Column) -> dict[str, float]:
    """A - B by image; nothing if they cannot be compared."""
    if column.name not in b.summary:
        return {}
    try:
        compare_records(a, b, column=column.name)
    except ConfigError:  # the table of pairs says why
        return {}
    values_a, values_b = a.values(column.name), b.values(column.name)
    common = values_a.keys() & values_b.keys()
    return {name: values_a[name] - values_b[name] for name in common if values_a[name] != values_b[name]}


def rank_images(section: Section, column: Column) -> list[Ranking]:
    """Order images by one column of the method with the best mean, and by its distance from every other method.

    Args:
        section: The methods.
        column: What is compared.

    Returns:
        Worst and best images of that method, then for each comparable method the images where it is furthest ahead
        and furthest behind; empty if no method has the column.
    """
    best = section.best_record(column)
    if best is None:
        return []
    values = best.values(column.name)
    higher = column.better == "higher"
    unit = f" {column.unit}" if column.unit else ""

    def entries(names: Sequence[str], of: dict[str, float]) -> tuple[tuple[str, str], ...]:
        return tuple((name, f"{typeset_number(of[name], column.decimals)}{unit}") for name in names[:DEPTH])

    def gain_entries(names: Sequence[str], of: dict[str, float]) -> tuple[tuple[str, str], ...]:
        decimals = column.decimals + 1  # differences are small
        return tuple(
            (name, f"{'+' if of[name] > 0 else ''}{typeset_number(of[name], decimals)}{unit}") for name in names[:DEPTH]
        )

    what = f"{short_title(column)} of {best.method}"
    rankings = [
        Ranking(
            title=f"{word} {what}",
            left=best.method,
            right=None,
            entries=entries(_ordered(values, highest=highest), values),
        )
        for word, highest in (("Worst", not higher), ("Best", higher))
    ]
    for other in section.records:
        if other is best:
            continue
        differences = _differences(best, other, column)
        for word, highest in (("ahead of", higher), ("behind", not higher)):
            gains = {name: value for name, value in differences.items() if (value > 0) == highest}
            if gains:
                rankings.append(
                    Ranking(
                        title=f"{best.method} furthest {word} {other.method}",
                        left=other.method,
                        right=best.method,
                        entries=gain_entries(_ordered(gains, highest=highest), gains),
                    )
                )
    return rankings


def choose_images(section: Section, column: Column | None, rankings: Sequence[Ranking], count: int) -> list[str]:
    """Choose the images to be embedded.

    Three quarters of them are taken from the rankings in turn, the first of each first; the rest are spread evenly
    over the other images, from the lowest to the highest value of the column.

    Args:
        section: The methods.
        column: What spreads them; without one they are spread by name.
        rankings: See :func:`rank_images`.
        count: How many images, at most.

    Returns:
        Names without repetition, sorted.
    """
    chosen: dict[str, None] = {}
    for place in range(DEPTH):
        for ranking in rankings:
            if len(chosen) < round(_RANKED_SHARE * count) and place < len(ranking.entries):
                chosen[ranking.entries[place][0]] = None
    best = section.best_record(column) if column else None
    values = best.values(column.name) if best else {}
    rest = [name for name in section.image_names if name not in chosen]
    rest.sort(key=lambda name: (values.get(name, 0.0), name))
    wanted = min(count - len(chosen), len(rest))
    chosen.update((rest[(2 * place + 1) * len(rest) // (2 * wanted)], None) for place in range(wanted))
    return sorted(chosen)
