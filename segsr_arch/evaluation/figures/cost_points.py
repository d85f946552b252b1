"""Methods as points of quality and cost, or of two figures: measured here, or read from a file of published figures."""

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from segsr_arch.errors import DataError
from segsr_arch.results.record import EvaluationRecord
from segsr_arch.text import read_text

COSTS = ("parameters", "macs", "seconds")
_HEADER = ["method", "psnr", *COSTS]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One method.

    Attributes:
        method: Its name.
        value: Its quality, PSNR in dB for instance.
        parameters: Number of parameters, frozen ones included.
        macs: Multiply-accumulates of one image.
        seconds: Time of one image.
        second: Its second figure, where methods are drawn by two.
        measured: Whether it was measured here, or published by others.
    """

    method: str
    value: float
    parameters: float | None = None
    macs: float | None = None
    seconds: float | None = None
    second: float | None = None
    measured: bool


def read_points(path: str | os.PathLike) -> list[Point]:
    """Read published figures.

    Args:
        path: CSV file with the header ``method,psnr,parameters,macs,seconds``; the last three may be empty.

    Returns:
        The points in the order of the file, at least one.

    Raises:
        DataError: If it cannot be read, the header is another one, or a value is no number.
    """
    try:
        rows = csv.reader(io.StringIO(read_text(path, "a table of points"), newline=""))
        lines = [(number, row) for number, row in enumerate(rows, 1) if any(row)]
    except (DataError, csv.Error) as error:
        raise DataError(f"--points: {error}.") from error
    if not lines or [name.strip() for name in lines[0][1]] != _HEADER:
        raise DataError(f"--points {path}: the first line must be {','.join(_HEADER)}.")
    points = []
    for number, row in lines[1:]:
        if len(row) != len(_HEADER):
            raise DataError(f"--points {path}, line {number}: {len(row)} values, expected {len(_HEADER)}.")
        method, *texts = (text.strip() for text in row)
        psnr, *costs = (
            _number(text, f"--points {path}, line {number}, {name}")
            for name, text in zip(_HEADER[1:], texts, strict=True)
        )
        if not method or psnr is None:
            raise DataError(f"--points {path}, line {number}: method and psnr must not be empty.")
        points.append(Point(method=method, value=psnr, measured=False, **dict(zip(COSTS, costs, strict=True))))
    if not points:
        raise DataError(f"--points {path}: holds no method.")
    return points


def _number(text: str, place: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise DataError(f"{place}: {text} is no number.") from error
    if not math.isfinite(value) or value < 0:
        raise DataError(f"{place}: {text} must be finite and not negative.")
    return value


def points_of(records: Sequence[EvaluationRecord], *, column: str) -> tuple[list[Point], list[str]]:
    """Make points of evaluations, leaving out costs that were measured under other conditions.

    Args:
        records: Methods on the same images.
        column: What is shown.

    Returns:
        The points, and sentences for the caption: what was measured on what, and what was left out and why.

    Raises:
        DataError: If a method has no finite value.
    """
    costs = {record.method: record.cost for record in records if record.cost is not None}
    notes, without = [], [record.method for record in records if record.cost is None]
    if without:
        notes.append(f"Without a cost, so not shown: {', '.join(without)}.")
    sizes = {method: f"{cost.lr_size[0]} × {cost.lr_size[1]}" for method, cost in costs.items()}
    timed = {method: cost.device for method, cost in costs.items() if cost.seconds is not None}
    same_size, same_device = len(set(sizes.values())) < 2, len(set(timed.values())) < 2
    if not same_size:
        notes.append(f"Multiply-accumulates and times are left out, since LR sizes differ ({_listed(sizes)}).")
    elif not same_device:
        notes.append(f"Times are left out, since devices differ ({_listed(timed)}).")
    if costs and same_size:
        notes.append(f"Multiply-accumulates and time of one LR image of {next(iter(sizes.values()))} pixels.")
        if timed and same_device:
            notes.append(f"Time: median, on {next(iter(timed.values()))}.")
    points = []
    for record in records:
        value = _mean(record, column)
        if record.cost is not None:
            points.append(
                Point(
                    method=record.method,
                    value=value,
                    parameters=record.cost.parameters,
                    macs=record.cost.macs if same_size else None,
                    seconds=record.cost.seconds if same_size and same_device else None,
                    measured=True,
                )
            )
    return points, notes


def points_of_two(records: Sequence[EvaluationRecord], *, column: str, against: str) -> list[Point]:
    """Make points of the means of two figures.

    Args:
        records: Methods on the same images.
        column: What is shown upwards.
        against: What is shown to the right.

    Raises:
        DataError: If a method has no finite value of one of them.
    """
    return [
        Point(method=record.method, value=_mean(record, column), second=_mean(record, against), measured=True)
        for record in records
    ]


def _mean(record: EvaluationRecord, column: str) -> float:
    mean = record.summary[column].mean if column in record.summary else math.nan
    if not math.isfinite(mean):
        raise DataError(f"{record.method} on {record.dataset}: the mean of {column} is not finite.")
    return mean


def _listed(values: dict[str, str]) -> str:
    return ", ".join(f"{method}: {value}" for method, value in values.items())
