"""Reading an evaluation back: whatever is not as it was written is named, with the file and the entry."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from segsr_arch.errors import DataError
from segsr_arch.images.conversion import Conversion
from segsr_arch.results.record import Column, Cost, EvaluationRecord, ImageRow, SetValue
from segsr_arch.results.references import ImageReference
from segsr_arch.results.spread import Spread
from segsr_arch.results.writing import FORMAT, PLACES, RECORD_FILE

T = TypeVar("T")
_Read = Callable[[Any], T]  # gives a value of its kind, or raises _WrongError


class _WrongError(Exception):
    """Something is not of the kind that is written; the message says where and what."""


def _shown(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 40 else f"{text[:40]}..."


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _WrongError(f"expected text, found {_shown(value)}")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _WrongError(f"expected a whole number, found {_shown(value)}")
    return value


def _number(value: Any) -> float:
    """Infinities are written as words; NaN never is."""
    if value in ("inf", "-inf"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300 or math.isnan(value):
        raise _WrongError(f"expected a number, found {_shown(value)}")
    return float(value)


def _or_none(read: _Read[T]) -> _Read[T | None]:
    return lambda value: None if value is None else read(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _WrongError(f"expected names and values, found {_shown(value)}")
    return value


def _all_of(value: Any, read: _Read[T]) -> dict[str, T]:
    return {name: _take(value, name, read) for name in _mapping(value)}


def _list(value: Any, read: _Read[T]) -> tuple[T, ...]:
    if not isinstance(value, list):
        raise _WrongError(f"expected a list, found {_shown(value)}")
    found = []
    for number, each in enumerate(value, start=1):
        try:
            found.append(read(each))
        except _WrongError as error:
            raise _WrongError(f"entry {number}: {error}") from error
    return tuple(found)


def _take(content: Any, name: str, read: _Read[T]) -> T:
    if name not in _mapping(content):
        raise _WrongError(f"{name} is missing")
    try:
        return read(content[name])
    except _WrongError as error:
        raise _WrongError(f"{name}: {error}") from error


def _column(content: Any) -> Column:
    kinds: dict[str, _Read[Any]] = dict.fromkeys(("name", "metric", "better", "unit", "backend", "label"), _text)
    kinds |= {"protocol": _or_none(_text), "decimals": _whole}
    needed = {"name", "metric"} - _mapping(content).keys()  # the others have values of their own in earlier versions
    found = {name: _take(content, name, kind) for name, kind in kinds.items() if name in content or name in needed}
    if found.get("better", "higher") not in ("higher", "lower"):
        raise _WrongError(f"better: expected higher or lower, found {_shown(found['better'])}")
    return Column(**found)


def _cost(content: Any) -> Cost:
    size = _take(content, "lr_size", partial(_list, read=_whole))
    if len(size) != 2:
        raise _WrongError(f"lr_size: expected height and width, found {_shown(size)}")
    return Cost(
        parameters=_take(content, "parameters", _whole),
        trainable=_take(content, "trainable", _whole),
        macs=_take(content, "macs", _or_none(_whole)),
        seconds=_take(content, "seconds", _or_none(_number)),
        lr_size=size,
        device=_take(content, "device", _text),
        # Earlier versions did not measure it.
        memory=_take(content, "memory", _or_none(_whole)) if "memory" in content else None,
    )


def _set_value(content: Any) -> SetValue:
    std = _take(content, "std", _or_none(_number))
    return SetValue(value=_take(content, "value", _number), std=std, n=_take(content, "n", _whole))


def _conversion(content: Any) -> Conversion:
    _mapping(content)
    kinds = {"value_range": _number, "bands": _whole}
    asked = {name: _take(content, name, partial(_list, read=kind)) for name, kind in kinds.items() if name in content}
    conversion = Conversion.of_data_set(asked)
    problem = conversion.problem()
    if problem is not None:
        raise _WrongError(problem)
    return conversion


def _samples(value: Any) -> int:
    if _whole(value) < 1:
        raise _WrongError(f"expected at least 1, found {value}")
    return int(value)


def _spread(content: Any, folder: Path, columns: set[str]) -> Spread:
    text = _take(content, "map", _or_none(_text))
    return Spread(
        values=_take(content, "values", partial(_values, columns=columns)),
        map=None if text is None else ImageReference.parse(text).resolved(folder),
        correlation=_take(content, "correlation", _or_none(_number)),
        gradient_correlation=_take(content, "gradient_correlation", _or_none(_number)),
        coverage=_take(content, "coverage", _or_none(_number)),
    )


def _values(content: Any, columns: set[str]) -> dict[str, float]:
    values = _all_of(content, _number)
    if values.keys() - columns:
        raise _WrongError(f"{min(values.keys() - columns)} is no column of {RECORD_FILE}")
    return values


def _row(content: Any, folder: Path, columns: set[str]) -> ImageRow:
    asked = _all_of(_mapping(content).get("conversions", {}), _conversion)
    places = {}
    for place in PLACES:
        text = _take(content, place, _or_none(_text))
        reference = None if text is None else ImageReference.parse(text).resolved(folder)
        places[place] = replace(reference, conversion=asked[place]) if reference and place in asked else reference
    spread = None
    if "spread" in content:
        spread = _take(content, "spread", partial(_spread, folder=folder, columns=columns))
    return ImageRow(
        name=_take(content, "name", _text),
        class_name=_take(content, "class", _text),
        gt_digest=_take(content, "gt_digest", _or_none(_text)),
        values=_take(content, "values", partial(_values, columns=columns)),
        spread=spread,
        **places,
    )


def _rows(content: Any, folder: Path, columns: set[str]) -> tuple[ImageRow, ...]:
    rows = _list(content, partial(_row, folder=folder, columns=columns))
    names = [row.name for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise _WrongError(f"{_shown(twice[0])} is there twice")
    return rows


def _refuse_constant(word: str) -> None:
    raise ValueError(f"it holds {word}")


def _read_json(path: Path, read: _Read[T]) -> T:
    """Read a file of an evaluation.

    Raises:
        DataError: If it is not there, or not what is written.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); give a folder that segsr evaluate or a validation has written."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is no JSON ({error}); it was changed, damaged or cut short. Write it again with segsr evaluate."
        ) from error
    try:
        return read(content)
    except _WrongError as error:
        raise DataError(
            f"{path}: is not what segsr evaluate writes ({error}); it was changed, damaged or written by another "
            f"version. Run segsr evaluate again."
        ) from error


def _read_options(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Run segsr evaluate again.") from error


def read_record(folder: str | os.PathLike[str]) -> EvaluationRecord:
    """Read an evaluation.

    Args:
        folder: As :func:`~segsr_arch.results.writing.write_record` wrote it.

    Returns:
        The record; its image references can be read from anywhere. Columns are named by their protocols, which earlier
        versions did not do in validations.

    Raises:
        DataError: If the folder holds no evaluation, one of another format, or one that is not whole; the file and
            what is wrong in it are named.
    """
    folder = Path(folder).absolute()
    path = folder / RECORD_FILE

    def read(content: Any) -> dict[str, Any]:
        if _mapping(content).get("format") != FORMAT:
            raise _WrongError(f"it is no evaluation of format {FORMAT}")
        return {
            "method": _take(content, "method", _text),
            "dataset": _take(content, "dataset", _text),
            "scale": _take(content, "scale", _or_none(_whole)),
            "iteration": _take(content, "iteration", _or_none(_whole)),
            "samples": _take(content, "samples", _samples) if "samples" in content else 1,  # earlier versions drew one
            "columns": _take(content, "columns", partial(_list, read=_column)),
            "set_values": _take(content, "set_values", partial(_all_of, read=_set_value)),
            "problems": _take(content, "problems", partial(_list, read=_text)),
            "cost": _take(content, "cost", _or_none(_cost)),
            "provenance": _take(content, "provenance", _mapping),
        }

    found = _read_json(path, read)
    columns = {column.name for column in found["columns"]}
    rows = _read_json(folder / "images.json", partial(_rows, folder=folder, columns=columns))
    record = EvaluationRecord(**found, images=rows, options=_read_options(folder / "options.yml"))
    return record.named_by_protocols()
