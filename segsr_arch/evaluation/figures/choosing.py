"""Which column and which images of evaluations a figure shows."""

import math
import re
import statistics
from collections.abc import Collection, Sequence

import yaml

from segsr_arch.errors import ConfigError
from segsr_arch.known_names import nearest_hint
from segsr_arch.results.comparison import check_comparable, common_columns
from segsr_arch.results.record import Column, EvaluationRecord

DEFAULT_COUNT = 2


def choose_column(records: Sequence[EvaluationRecord], name: str | None, *, option: str = "--column") -> Column:
    """Find the column that a figure shows.

    Args:
        records: At least one.
        name: Its name; ``None`` for the first PSNR that all have, or else the first column that all have.
        option: What it was given by, for messages.

    Raises:
        ConfigError: If it is not there, or was not computed in the same way for all.
    """
    names = common_columns(records)
    if name is None:
        name = next((each for each in names if records[0].column(each).metric == "psnr"), names[0])
    if name not in names:
        raise ConfigError(
            f"{option} {name}: was not computed in the same way for every method{nearest_hint(name, names)}"
        )
    return records[0].column(name)


def shown_columns(records: Sequence[EvaluationRecord], name: str | None) -> list[Column]:
    """The column of a figure, and SSIM by the same protocol if it is a PSNR and all records have that.

    Raises:
        ConfigError: See :func:`choose_column`.
    """
    first = choose_column(records, name)
    others = (records[0].column(each) for each in common_columns(records)) if first.metric == "psnr" else ()
    return [first, *(other for other in others if other.metric == "ssim" and other.protocol == first.protocol)][:2]


def is_bicubic(record: EvaluationRecord) -> bool:
    """Whether a method is bicubic interpolation: by its network, by its whole name where its images were given."""
    if record.options is None:
        return re.fullmatch(r"bicubic([ _-]?x\d+)?( \(\d+\))?", record.method, re.IGNORECASE) is not None
    try:
        options = yaml.safe_load(record.options)
        return bool(options["network_g"]["type"] == "Bicubic")
    except (yaml.YAMLError, KeyError, TypeError):  # a text that somebody has changed
        return False


def contenders(methods: Sequence[str], *, simple: Collection[str]) -> list[str]:
    """Methods between which differences are looked for: without ``simple`` ones, unless fewer than two are left."""
    others = [method for method in methods if method not in simple]
    return others if len(others) > 1 else list(methods)


def find_image(name: str, known: Sequence[str]) -> str:
    """Find an image by its name, or by the last part of it if that is the name of one image only.

    Raises:
        ConfigError: If there is none, or there are several.
    """
    found = [name] if name in known else [each for each in known if each.rsplit("/", 1)[-1] == name]
    if not found:
        raise ConfigError(f"--image {name}: was not evaluated{nearest_hint(name, known)}")
    if len(found) > 1:
        raise ConfigError(f"--image {name}: is the name of several images; write one of {', '.join(found)}.")
    return found[0]


def choose_images(
    records: Sequence[EvaluationRecord], column: Column, names: Sequence[str] | None
) -> tuple[list[str], str | None]:
    """Find the images that a comparison shows.

    Args:
        records: The methods.
        column: What is shown.
        names: Names that a user gave; ``None`` for the two images on which the methods' values lie furthest apart
            (bicubic does not count where there are two other methods), with a single method those nearest to its
            median.

    Returns:
        Names, and a sentence that says by what rule they were chosen, if they were.

    Raises:
        ConfigError: If an image was not evaluated by every method, or the methods measured different data.
    """
    if names is not None:
        for record in records:
            chosen = [find_image(name, [row.name for row in records[0].images]) for name in names]
            missing = [name for name in chosen if name not in {row.name for row in record.images}]
            if missing:
                raise ConfigError(f"--image: {record.method} was not evaluated on {', '.join(missing)}.")
        return list(dict.fromkeys(chosen)), None
    for record in records[1:]:
        check_comparable(records[0], record)
    simple = [record.method for record in records if is_bicubic(record)]
    judged = contenders([record.method for record in records], simple=simple)
    values = [record.values(column.name) for record in records if record.method in judged]
    common = [
        row.name for row in records[0].images if all(math.isfinite(each.get(row.name, math.nan)) for each in values)
    ]
    if not common:
        raise ConfigError(f"{column.name}: no image has a finite value for every method; name images by --image.")
    if len(values) == 1:
        median = statistics.median(values[0][name] for name in common)
        chosen = sorted(common, key=lambda name: (abs(values[0][name] - median), name))[:DEFAULT_COUNT]
        return chosen, f"Images: those nearest to the median of {column.title}."

    def gap(name: str) -> float:
        of_methods = [each[name] for each in values]
        return max(of_methods) - min(of_methods)

    chosen = sorted(common, key=lambda name: (-gap(name), name))[:DEFAULT_COUNT]
    return chosen, f"Images: those on which {', '.join(judged)} differ most in {column.title}."
