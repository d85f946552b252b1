"""Evaluations on the disk: ``segsr evaluate`` and validations leave them in folders of methods and data sets."""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.evaluation.chosen_metrics import ChosenMetrics
from segsr_arch.evaluation.measurement import Sample, measure_samples
from segsr_arch.evaluation.output_folder import whole_folder
from segsr_arch.files.names import folder_of, is_set_aside
from segsr_arch.results.provenance import describe_run
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import EvaluationRecord
from segsr_arch.results.writing import RECORD_FILE, write_record
from segsr_arch.sources.folder_walk import walk


def evaluation_folder(out: Path, method: str, dataset: str) -> Path:
    """Where the evaluation of a method on a data set is written."""
    return out / folder_of(method) / "evaluation" / folder_of(dataset)


def write_evaluation(
    folder: Path,
    record: EvaluationRecord,
    samples: Callable[[Path], Iterable[Sample]],
    *,
    total: int,
    metrics: ChosenMetrics,
    **origin: Any,
) -> EvaluationRecord:
    """Measure a method, and write what comes of it; the folder is whole or not there.

    Args:
        folder: See :func:`evaluation_folder`.
        record: What is known before, perhaps with problems.
        samples: Gives the images; what belongs to them may be written into the folder that it is given.
        total: Number of the images.
        metrics: What is computed.
        origin: Of :func:`~segsr_arch.results.provenance.describe_run`, but for the images.

    Returns:
        The record as it is read from its place.

    Raises:
        SaveError: If the folder cannot be written.
    """
    with whole_folder(folder) as partial:
        what = f"{record.method} on {record.dataset}"
        measured = measure_samples(samples(partial), total=total, metrics=metrics, description=what)
        whole = replace(
            record,
            columns=tuple(metrics.columns),
            images=measured.images,
            set_values=measured.set_values,
            problems=(*record.problems, *measured.problems),
            provenance=describe_run(images=measured.images, **origin),
        )
        write_record(partial, whole)
    return read_record(folder)


def find_records(path: str | os.PathLike[str]) -> list[tuple[Path, EvaluationRecord]]:
    """Find all evaluations, of tests and of validations.

    Args:
        path: Folder of one evaluation, or any folder above evaluations, links to them included. Archived and
            unfinished folders below it are passed over.

    Returns:
        Folder and record of each, in the order of the folders; perhaps none.

    Raises:
        DataError: If there is no such folder, or an evaluation cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder; give a folder that segsr evaluate or a training has written.")
    folders = [path / below for below, files in walk(path, [], passes_over=is_set_aside) if RECORD_FILE in files]
    return [(folder, read_record(folder)) for folder in sorted(folders)]


def find_tests(paths: Iterable[str | os.PathLike[str]]) -> dict[Path, EvaluationRecord]:
    """Find the evaluations of finished methods, each once, however many of the paths lead to it.

    Args:
        paths: Folders of one evaluation, or any folders above evaluations.

    Returns:
        Record by folder, in the order of the paths, and of the folders below a path.

    Raises:
        DataError: If a path holds none, or one cannot be read.
    """
    tests: dict[Path, EvaluationRecord] = {}
    for path in paths:
        found = find_records(path)
        own = {folder.resolve(): record for folder, record in found if record.iteration is None}
        if not own:
            validations = f" ({len(found)} validations of a training are there)" if found else ""
            raise DataError(
                f"{path}: no {RECORD_FILE} of a test in it or below it{validations}. segsr evaluate writes them to "
                f"results/<method>/evaluation/<data set>/."
            )
        tests |= own
    return tests


def find_validations(path: str | os.PathLike[str]) -> list[EvaluationRecord]:
    """Find the validations of a training.

    Args:
        path: Folder of an experiment, or any folder in or above its validations.

    Returns:
        The validations by data set, then iteration; at least one.

    Raises:
        DataError: If there is none, or one cannot be read.
    """
    path = Path(path)
    found = [record for _, record in find_records(path) if record.iteration is not None]
    if not found:
        raise DataError(
            f"{path}: no {RECORD_FILE} of a validation in it or below it. A training with SeGSRModel writes them to "
            f"experiments/<name>/validation/<data set>/<iteration>/."
        )
    return sorted(found, key=lambda record: (record.dataset, record.iteration))


def choose_dataset(records: Iterable[EvaluationRecord], dataset: str | None = None) -> list[EvaluationRecord]:
    """Keep the records of one data set.

    Args:
        records: Any records.
        dataset: Its name; ``None`` if there is but one.

    Returns:
        The records of that data set, in their order; at least one if there was one.

    Raises:
        ConfigError: If there are several and none was named, or the named one is not there.
    """
    records = list(records)
    names = list(dict.fromkeys(record.dataset for record in records))
    if dataset is None and len(names) > 1:
        raise ConfigError(f"There are evaluations on several data sets, choose one by --dataset: {', '.join(names)}.")
    if dataset is not None and dataset not in names:
        raise ConfigError(f"--dataset {dataset}: there is no evaluation on it, only on {', '.join(names)}.")
    return [record for record in records if dataset in (None, record.dataset)]


def find_methods(paths: Iterable[str | os.PathLike[str]], *, dataset: str | None = None) -> list[EvaluationRecord]:
    """Find one evaluation a method, all on one data set.

    Args:
        paths: Folders as for :func:`find_tests`.
        dataset: Name of the data set; ``None`` if there is but one.

    Returns:
        The evaluations in the order of the paths, and of their folders below a path.

    Raises:
        ConfigError: If there are several data sets and none was named, or one method was evaluated twice.
        DataError: If a path holds no evaluation.
    """
    found = find_tests(paths)
    kept = choose_dataset(found.values(), dataset)
    places: dict[str, Path] = {}
    for folder, record in found.items():
        if record.dataset == kept[0].dataset and places.setdefault(record.method, folder) != folder:
            raise ConfigError(
                f"{record.method} on {record.dataset} is there twice, in {places[record.method]} and {folder}; give "
                f"one of the two folders."
            )
    return kept
