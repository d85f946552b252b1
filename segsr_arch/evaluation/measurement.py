"""Measuring every image of a method: on all cores, with a progress bar, each problem a line."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from segsr_arch.errors import DataError, NotEnoughMemoryError
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics, Measured
from segsr_arch.evaluation.image_checks import Images
from segsr_arch.results.classes import NO_CLASS
from segsr_arch.results.provenance import pixel_digest
from segsr_arch.results.record import ImageRow, SetValue
from segsr_arch.running.processes import available_cores
from segsr_arch.running.progress import progress


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One image to be measured.

    Attributes:
        row: Its name and class, and where its images lie.
        load: Gives the images; it is called once, in any thread, and raises DataError or NotEnoughMemoryError.
        others: The same for each further sample that a network drew of the image.
    """

    row: ImageRow
    load: Callable[[], Images]
    others: tuple[Callable[[], Images], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measurements:
    """What came of measuring a set of images.

    Attributes:
        images: One row an image that has at least one value, in the order of the names.
        set_values: Values of the whole set.
        problems: Lines about what is missing.
    """

    images: tuple[ImageRow, ...]
    set_values: Mapping[str, SetValue]
    problems: tuple[str, ...]


def _measure(sample: Sample, metrics: ChosenMetrics) -> tuple[list[Measured], str | None]:
    """Measure the image, or each sample of it."""
    measured, digest = [], None
    for load in (sample.load, *sample.others):
        try:
            images = load()
        except (DataError, NotEnoughMemoryError) as error:
            measured.append(Measured(values={}, features={}, problems=(str(error),)))
            continue
        if digest is None and images.gt is not None:
            digest = pixel_digest(images.gt)
        measured.append(metrics.measure(images))
    return measured, digest


def _common(found: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """The values of every sample by column, of the columns that all samples have."""
    return {name: [values[name] for values in found] for name in found[0] if all(name in values for values in found)}


def _with_values(row: ImageRow, measured: Sequence[Measured], digest: str | None) -> ImageRow:
    """The row with its values; those of several samples are averaged, and their spread is kept beside."""
    found = _common([each.values for each in measured])
    spread = row.spread
    if spread is not None:
        finite = {name: values for name, values in found.items() if np.isfinite(values).all()}
        spread = replace(spread, values={name: float(np.std(values, ddof=1)) for name, values in finite.items()})
    values = {name: float(np.mean(values)) if len(values) > 1 else values[0] for name, values in found.items()}
    return replace(row, values=values, gt_digest=digest, spread=spread)


def _set_values(
    kept: Sequence[Sequence[Measured]], metrics: ChosenMetrics
) -> tuple[dict[str, SetValue], tuple[str, ...]]:
    """The values of the whole set; several samples give several sets, and their mean and standard deviation."""
    combined = [metrics.combine(of_sample) for of_sample in zip(*kept, strict=True)]
    problems = tuple(dict.fromkeys(line for _, lines in combined for line in lines))
    first = combined[0][0] if combined else {}
    if len(combined) == 1:
        return first, problems
    found = {}
    for name, one in first.items():
        values = [values[name].value for values, _ in combined if name in values]
        if len(values) == len(combined):
            found[name] = replace(one, value=float(np.mean(values)), std=float(np.std(values, ddof=1)))
    return found, problems


def _in_order(
    samples: Iterable[Sample], metrics: ChosenMetrics, jobs: int
) -> Iterator[tuple[Sample, list[Measured], str | None]]:
    """Measure in threads (OpenCV and numpy leave Python's lock) with few images waiting in memory."""
    waiting: deque[tuple[Sample, Future]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for sample in samples:
                waiting.append((sample, pool.submit(_measure, sample, metrics)))
                while len(waiting) > 2 * jobs or (waiting and waiting[0][1].done()):
                    first, future = waiting.popleft()
                    yield first, *future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, *future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def measure_samples(
    samples: Iterable[Sample], *, total: int, metrics: ChosenMetrics, description: str, jobs: int | None = None
) -> Measurements:
    """Measure images.

    Args:
        samples: The images, one at a time.
        total: How many there are, for the progress bar.
        metrics: What to compute.
        description: What the progress bar says.
        jobs: Number of threads; ``None`` for one a core.

    Returns:
        The measurements. A broken image does not stop the others.
    """
    jobs = jobs or available_cores()
    rows, kept, problems = [], [], []
    failed: Counter[str] = Counter()
    with progress(total=total, unit="image", what=description) as bar:
        for sample, measured, digest in _in_order(samples, metrics, jobs):
            bar.update()
            lines = dict.fromkeys(line for each in measured for line in each.problems)
            problems += [f"{sample.row.name}: {line}" for line in lines]
            if not all(each.values or each.features for each in measured):
                failed[sample.row.class_name] += 1
                continue
            kept.append(measured)
            rows.append(_with_values(sample.row, measured, digest))
    set_values, missing = _set_values(kept, metrics)
    for class_name in sorted(failed.keys() - {row.class_name for row in rows} - {NO_CLASS}):
        problems.append(f"class {class_name}: none of its {failed[class_name]} images could be measured")
    return Measurements(
        images=tuple(sorted(rows, key=lambda row: row.name)),
        set_values=set_values,
        problems=(*problems, *missing),
    )
