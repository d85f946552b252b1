"""A validation as an evaluation record: the files that ``segsr evaluate`` writes, written while a network trains."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from segsr_arch.metrics.registered import backend_of, describe, protocol_of
from segsr_arch.models.validation import ValidationResult
from segsr_arch.results.provenance import describe_run
from segsr_arch.results.record import Column, EvaluationRecord


def describe_metrics(metrics: Mapping[str, Mapping[str, Any]], scale: int) -> tuple[Column, ...]:
    """Describe the metrics of ``val: metrics:``.

    Args:
        metrics: Options by name; the names are those of the columns.
        scale: Upscaling factor.

    Returns:
        One column a metric.
    """
    columns = []
    for name, options in metrics.items():
        metric = describe(options, name=name)
        columns.append(
            metric.column(
                name=name,
                protocol=protocol_of(options, scale=scale),
                better=options.get("better", metric.better),
                backend=backend_of(options, name=name),
            )
        )
    return tuple(columns)


def make_record(
    opt: Mapping[str, Any], result: ValidationResult, *, dataset: str, iteration: int | None, vlm: str | None
) -> EvaluationRecord:
    """Make the record of a validation.

    Args:
        opt: The whole options.
        result: What came of the data set.
        dataset: Its name.
        iteration: Training iteration; ``None`` in a test.
        vlm: The vision-language model and its weights, for people.

    Returns:
        The record, its images in the order of their names, its columns named as ``segsr evaluate`` names them.
    """
    rows = sorted((image.row for image in result.images), key=lambda row: row.name)
    record = EvaluationRecord(
        method=opt["name"],
        dataset=dataset,
        scale=opt["scale"],
        columns=describe_metrics(opt["val"].get("metrics") or {}, opt["scale"]),
        images=tuple(rows),
        set_values=result.set_values,
        problems=result.problems,
        iteration=iteration,
        provenance=describe_run(
            images=rows,
            seed=opt.get("manual_seed"),
            checkpoint=None if opt["is_train"] else opt["path"].get("pretrain_network_g"),
            vlm=vlm,
        ),
    )
    return record.named_by_protocols()


def record_folder(opt: Mapping[str, Any], dataset: str, iteration: int | None) -> Path:
    """Where the record of a validation is written: with the experiment, or with the results of a test."""
    if iteration is None:
        return Path(opt["path"]["results_root"]) / "evaluation" / dataset
    return Path(opt["path"]["experiments_root"]) / "validation" / dataset / f"{iteration:08d}"
