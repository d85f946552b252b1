"""What a training has left beside its checkpoints, in words for the card of a network."""

import contextlib
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from segsr_arch.config import read_options
from segsr_arch.errors import SegsrError
from segsr_arch.evaluation.saved_evaluations import find_records
from segsr_arch.text import duration

_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ ", re.MULTILINE)  # before each message of a log
_ITERATION = re.compile(r"_(\d+)$")


def training_record(checkpoint: Path) -> dict[str, Any]:
    """Say what a network was trained on, how, and what its last validation gave.

    Args:
        checkpoint: ``experiments/RUN/models/net_g_ITERATION.pth``; the option file, the log and the validations of the
            run lie in ``RUN``.

    Returns:
        Fields of :class:`~segsr_arch.named_models.card.ModelCard`; none of what is not there.
    """
    models = checkpoint.absolute().parent
    if models.name != "models":  # what lies above is no run, but what others have left there
        return {}
    run = models.parent
    record: dict[str, Any] = {}
    for path in sorted(run.glob("*.yml")):
        with contextlib.suppress(SegsrError, KeyError, TypeError, AttributeError):
            opt = read_options(path)
            record |= {"trained_on": _data(opt["datasets"]["train"]), "training": _training(opt, run, checkpoint)}
            if (degradation := opt["datasets"]["train"].get("degradation")) is not None:
                record["degradation"] = degradation
            break
    figures = _figures(run, checkpoint)
    return record | ({"figures": figures} if figures else {})


def _data(train: Mapping[str, Any]) -> str:
    words = [str(train["name"]), str(train["type"])]
    if "degradation" in train:
        words.append(f"degradation {train['degradation']}")
    return ", ".join(words)


def _training(opt: Mapping[str, Any], run: Path, checkpoint: Path) -> str:
    train, data = opt["train"], opt["datasets"]["train"]
    found = _ITERATION.search(checkpoint.stem)
    words = [f"{found[1] if found else train['total_iter']} of {train['total_iter']} iterations"]
    words.append(f"{data['batch_size_per_gpu']} patches of {data['gt_size']} HR pixels")
    words.append(f"{train['optim_g']['type']}, learning rate {train['optim_g']['lr']}")
    words += [f"{name} {train[name]['type']}" for name in train if name.endswith("_opt")]
    words.append(f"seed {opt.get('manual_seed')}")
    seconds = sum(_seconds(log.read_text("utf-8")) for log in run.glob("train_*.log"))
    return ", ".join([*words, *([f"{duration(seconds)} hours"] if seconds else [])])


def _seconds(log: str) -> float:
    """How long a log was written at; a training that was resumed has several, of which some may have no end."""
    stamps = [datetime.fromisoformat(stamp) for stamp in _STAMP.findall(log)]
    return (max(stamps) - min(stamps)).total_seconds() if stamps else 0.0


def _figures(run: Path, checkpoint: Path) -> dict[str, str]:
    """Means of the last validation that the checkpoint has seen, by data set and column."""
    found = _ITERATION.search(checkpoint.stem)
    figures: dict[str, tuple[int, str]] = {}
    with contextlib.suppress(SegsrError):
        for _, record in find_records(run):
            iteration = record.iteration
            if iteration is None or (found and iteration > int(found[1])):
                continue
            for name, summary in record.summary.items():
                key = f"{record.dataset}, {name}"
                column = record.column(name)
                text = f"{summary.mean:.{column.decimals}f} {column.unit}".strip()
                text += f" ({summary.n} images, iteration {iteration})"
                figures[key] = max(figures.get(key, (-1, "")), (iteration, text))
    return {key: text for key, (_, text) in figures.items()}
