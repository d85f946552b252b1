"""The options that a training depends on: kept in its states, compared when it is resumed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Where a run writes, what it shows, how it is started: none of it changes what is trained.
_TOP_LEFT_OUT = {
    "name",
    "path",
    "val",
    "logger",
    "tile",
    "imports",
    "datasets",
    "num_gpu",
    "manual_seed",
    "is_train",
    "auto_resume",
    "root_path",
    "dist",
    "dist_params",
    "find_unused_parameters",
    "rank",
    "world_size",
}
# How samples are fetched; see :mod:`segsr_arch.training.seeded_samples`.
_DATA_LEFT_OUT = {
    "name",
    "phase",
    "scale",
    "num_worker_per_gpu",
    "prefetch_mode",
    "num_prefetch_queue",
    "pin_memory",
    "persistent_workers",
    "use_shuffle",
}
_SHARING = "num_gpu or processes"
_LONGEST = 60


class DrawnSeed(int):
    """A ``manual_seed`` that BasicSR has drawn because the option file names none."""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """An option that is another than a state was trained with.

    Attributes:
        key: Such as ``train:optim_g:lr``.
        old: Its value in the training that was interrupted, ``None`` if it had none.
        new: Its value now.
    """

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.key} {_shown(self.old)} -> {_shown(self.new)}"


def trained_options(opt: Mapping[str, Any]) -> dict[str, Any]:
    """Pick out what a training depends on, before BasicSR's models take parts of it out.

    Args:
        opt: Options of a training as BasicSR's ``parse_options`` returns them.

    Returns:
        Plain containers, texts and numbers.
    """
    kept = {key: value for key, value in opt.items() if key not in _TOP_LEFT_OUT}
    train = opt.get("datasets", {}).get("train")
    if train is not None:
        kept["datasets"] = {"train": {key: value for key, value in train.items() if key not in _DATA_LEFT_OUT}}
    # Which of them share a batch; without a GPU one process takes it alone.
    kept[_SHARING] = opt.get("world_size", 1) if opt.get("dist") else max(opt.get("num_gpu") or 0, 1)
    if opt.get("manual_seed") is not None:
        kept["manual_seed"] = opt["manual_seed"]
    options: dict[str, Any] = plain(kept)
    return options


def plain(value: Any) -> Any:
    """Copy a value into what a weights-only reader of checkpoints accepts; what is no such value becomes its text."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, str)):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return str(value)


def edits(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[Edit]:
    """Compare options key by key; ``~`` is the same as a key that is not there.

    Args:
        old: From a training state, as :func:`trained_options` made them.
        new: Those of the run that resumes it.
        path: Section that they are, empty for all of them.

    Returns:
        What differs, sorted by key.
    """
    found = []
    for name in sorted(old.keys() | new.keys()):
        key = f"{path}:{name}" if path else name
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += edits(before, after, key)
        elif before != after:
            found.append(Edit(key=key, old=before, new=after))
    return found


def _shown(value: Any) -> str:
    text = "(not given)" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
