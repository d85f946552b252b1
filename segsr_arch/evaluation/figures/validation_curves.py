"""Where validation curves come from: the evaluations of a training, or TensorBoard's event files of an older one."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segsr_arch.errors import ConfigError, DataError, DependencyError
from segsr_arch.evaluation.figures.choosing import choose_column
from segsr_arch.evaluation.saved_evaluations import choose_dataset, find_validations
from segsr_arch.known_names import nearest_hint
from segsr_arch.results.record import Column

_TAG = "metrics"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure of one run over its iterations.

    Attributes:
        name: Name of the run.
        dataset: Name of the validation set.
        scale: Upscaling factor; ``None`` if not known.
        column: What is shown.
        points: Mean over the images by iteration.
        n: Number of images; ``None`` if not known.
        vlm: The vision-language model and its weights, if known.
    """

    name: str
    dataset: str
    scale: int | None
    column: Column
    points: Mapping[int, float]
    n: int | None
    vlm: str | None = None


def _from_records(path: Path, dataset: str | None, column: str | None) -> Curve:
    records = choose_dataset(find_validations(path), dataset)
    methods = list(dict.fromkeys(record.method for record in records))
    if len(methods) > 1:
        raise ConfigError(f"{path}: holds validations of several runs ({', '.join(methods)}); give them one by one.")
    chosen = choose_column(records, column)
    numbers = {len(record.values(chosen.name)) for record in records}
    if len(numbers) > 1:
        raise DataError(
            f"{path}: {chosen.name} was computed for different numbers of images ({sorted(numbers)}) at different "
            f"iterations, so its means are no curve."
        )
    last = records[-1]
    return Curve(
        name=last.method,
        dataset=last.dataset,
        scale=last.scale,
        column=chosen,
        points={
            record.iteration: record.summary[chosen.name].mean for record in records if chosen.name in record.summary
        },
        n=numbers.pop(),
        vlm=last.provenance.get("vlm"),
    )


def _events(run: Path) -> list[Path]:
    """Folders where BasicSR's event files of ``experiments/<name>`` may lie."""
    run = run.resolve()
    return [run.parent.parent / "tb_logger" / run.name, Path("tb_logger") / run.name]


def _from_tensorboard(path: Path, dataset: str | None, column: str | None) -> Curve | None:
    folder = next((each for each in _events(path) if any(each.glob("events.out.tfevents.*"))), None)
    if folder is None:
        return None
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError as error:
        raise DependencyError("Reading TensorBoard's event files needs it: pip install tensorboard") from error
    events = EventAccumulator(os.fspath(folder), size_guidance={"scalars": 0})
    events.Reload()
    tags = [tag.split("/") for tag in events.Tags()["scalars"]]
    found = {tuple(parts[1:]) for parts in tags if len(parts) == 3 and parts[0] == _TAG}
    sets = sorted({name for name, _ in found})
    if not sets:
        return None
    if dataset is None and len(sets) > 1:
        raise ConfigError(f"{folder}: has validations on several data sets, choose by --dataset: {', '.join(sets)}.")
    dataset = dataset or sets[0]
    metrics = sorted(metric for name, metric in found if name == dataset)
    if not metrics:
        raise ConfigError(f"--dataset {dataset}: {folder} has no validation on it, only on {', '.join(sets)}.")
    metric = column or ("psnr" if "psnr" in metrics else metrics[0])
    if metric not in metrics:
        raise ConfigError(f"--column {metric}: {folder} has no such metric{nearest_hint(metric, metrics)}")
    return Curve(
        name=path.resolve().name,
        dataset=dataset,
        scale=None,
        column=Column(name=metric, metric=metric, unit="dB" if metric == "psnr" else "", backend="TensorBoard"),
        # The last one counts: a run that was resumed writes some iterations twice.
        points={event.step: event.value for event in events.Scalars(f"{_TAG}/{dataset}/{metric}")},
        n=None,
    )


def read_curve(
    path: str | os.PathLike, *, dataset: str | None = None, column: str | None = None, tensorboard: bool = False
) -> Curve:
    """Read the validation curve of a run.

    Args:
        path: ``experiments/<name>``.
        dataset: Validation set; ``None`` if there is but one.
        column: Column of the evaluations (``psnr_y-crop``) or metric of the event files (``psnr``); ``None`` for PSNR.
        tensorboard: Read event files even if there are evaluations.

    Returns:
        The curve. Event files, which BasicSR writes to ``tb_logger/<name>`` beside ``experiments``, are read where
        there are no evaluations.

    Raises:
        ConfigError: If there are several data sets or runs to choose from, or the column is not there.
        DataError: If there is neither.
        DependencyError: If event files are there and TensorBoard is missing.
    """
    path = Path(path)
    problem = "evaluations were not asked for"
    if not tensorboard:
        try:
            return _from_records(path, dataset, column)
        except DataError as error:
            if any(path.rglob("evaluation.json")):
                raise
            problem = str(error)
    curve = _from_tensorboard(path, dataset, column)
    if curve is None:
        looked = ", ".join(str(each) for each in _events(path))
        raise DataError(
            f"{problem} Nor are there event files of TensorBoard with metrics/<data set>/<metric> in {looked}."
        )
    return curve
