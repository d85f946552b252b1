"""Measuring every image of a method: on all cores, with a progress bar, each problem a line."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from segsr_arch.errors import DataError
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
        load: Gives the images; it is called once, in any thread, and raises DataError.
    """

    row: ImageRow
    load: Callable[[], Images]


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


def _measure(sample: Sample, metrics: ChosenMetrics) -> tuple[Measured, str | None]:
    try:
        images = sample.load()
    except DataError as error:
        return Measured(values={}, features={}, problems=(str(error),)), None
    digest = None if images.gt is None else pixel_digest(images.gt)
    return metrics.measure(images), digest


def _in_order(
    samples: Iterable[Sample], metrics: ChosenMetrics, jobs: int
) -> Iterator[tuple[Sample, Measured, str | None]]:
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
            problems += [f"{sample.row.name}: {line}" for line in measured.problems]
            if not measured.values and not measured.features:
                failed[sample.row.class_name] += 1
                continue
            kept.append(measured)
            rows.append(replace(sample.row, values=measured.values, gt_digest=digest))
    set_values, missing = metrics.combine(kept) if kept else ({}, [])
    for class_name in sorted(failed.keys() - {row.class_name for row in rows} - {NO_CLASS}):
        problems.append(f"class {class_name}: none of its {failed[class_name]} images could be measured")
    return Measurements(
        images=tuple(sorted(rows, key=lambda row: row.name)),
        set_values=set_values,
        problems=(*problems, *missing),
    )
