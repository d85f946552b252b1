"""The folder in which the runs of tables lie: option files, experiments, results, and what is done already."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.files.locking import check_free, locked
from segsr_arch.files.text_files import make_folder, write_json, write_text
from segsr_arch.reproduction.plan import Run
from segsr_arch.results.reading import read_record
from segsr_arch.results.record import EvaluationRecord
from segsr_arch.results.writing import RECORD_FILE
from segsr_arch.training.option_files import write_options

# What may differ from the options of before if the contents are known to be the same.
_PLACES_OF_DATA = ("dataroot_gt", "dataroot_lq")
_PLACES_OF_VLM = ("network_g:semantics:vlm", "network_g:semantics:pretrained")
_WEIGHTS = "path:pretrain_network_g"  # the best on val, or those after the last iteration: --test-on
_PRESET = "logger:use_tb_logger"  # in the full preset alone; with another preset, any key may differ
# What arguments set within a preset: --iters, --amp, --data and --test-on, --vlm and --vlm-pretrained, and the device.
_OF_ARGUMENTS = (
    "train:total_iter",
    "train:scheduler:milestones",
    "train:ema_warmup",
    "train:amp",
    "val:val_freq",
    "logger:",
    "datasets",
    "network_g",
    "num_gpu",
    _WEIGHTS,
)
_COMMENT = "Written by segsr reproduce for the run {name}; a changed file is refused. Paths are seen from {folder}."


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        trained: Whether its training has ended.
        measured: Whether it has been measured, and its values are still there.
        train_seconds: How long it was trained, over all attempts; of one that was killed up to a minute is missing.
        attempts: How often its training was started.
        threads: With how many threads a process, on the CPU.
        device: ``cpu`` or the number of a GPU.
        data_digest: Which images it is trained and measured on; ``None`` if nobody looked.
        vlm_digest: Which files of a vision-language model guide it; ``None`` if no file does.
    """

    trained: bool = False
    measured: bool = False
    train_seconds: float = 0.0
    attempts: int = 0
    threads: int | None = None
    device: str = "cpu"
    data_digest: str | None = None
    vlm_digest: str | None = None


class Workplace:
    """The folder of one or more tables.

    Args:
        folder: Made when the first thing is written to it.

    Attributes:
        folder: Its absolute path.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder).resolve()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process.

        Raises:
            InUseError: If another process holds it, or a run that one has left behind still works in it; it is named.
            SaveError: If the folder cannot be made.
        """
        with locked(self.folder, lock=self.folder / ".lock"):
            for kind in ("experiments", "results"):
                check_free(self.folder / kind, ".*.lock")
            yield

    def option_file(self, run: Run, kind: str) -> Path:
        """Path of a run's options; ``kind`` is ``train`` or ``final``."""
        return self.folder / "options" / f"{kind}_{run.name}.yml"

    def log_file(self, run: Run) -> Path:
        """What a run's commands print."""
        return self.folder / "logs" / f"{run.name}.log"

    def evaluation_folder(self, run: Run) -> Path:
        """Where ``segsr evaluate`` puts a run's values."""
        return self.folder / "results" / run.name / "evaluation" / run.dataset

    def check(self, runs: Sequence[Run]) -> None:
        """Compare the runs with those of the same names that were started here before.

        Raises:
            ConfigError: If options or images differ; the first run and its differing keys are named. Equal images in
                another folder do not differ.
            DataError: If a file about a run cannot be read.
        """
        for run in runs:
            before = self.progress(run)
            if None not in (run.vlm_digest, before.vlm_digest) and run.vlm_digest != before.vlm_digest:
                raise ConfigError(
                    f"{run.name}: the files of --vlm or --vlm-pretrained have changed since this run was started in "
                    f"{self.folder}. Give the files of then, others under another name, or another folder with --out."
                )
            digests = run.data_digest, before.data_digest
            if None not in digests and digests[0] != digests[1]:
                raise ConfigError(
                    f"{run.name}: the images of --data have changed since this run was started in {self.folder}. "
                    f"Prepare the same data as before, or give another folder with --out."
                )
            moved = _PLACES_OF_DATA if None not in digests else ()
            moved += _PLACES_OF_VLM if None not in (run.vlm_digest, before.vlm_digest) else ()
            for kind, options in (("train", run.train), ("final", run.final)):
                path = self.option_file(run, kind)
                if not path.exists():
                    continue
                differing = [key for key in _differing_from(path, options) if not key.endswith(moved)]
                unset = [] if _PRESET in differing else [key for key in differing if not key.startswith(_OF_ARGUMENTS)]
                if unset:
                    raise ConfigError(
                        f"{path}: another version of this package wrote it, with other options "
                        f"({', '.join(unset)}), which no argument sets. Give another folder with --out."
                    )
                if kind == "final" and any(key.startswith(("datasets", _WEIGHTS)) for key in differing):
                    raise ConfigError(
                        f"{path}: this run is measured on other images in {self.folder} ({', '.join(differing)}). Give "
                        f"the same --test-on and --data as before, or another --out."
                    )
                if differing:
                    raise ConfigError(
                        f"{path}: this run was started with other options ({', '.join(differing)}). Give the same "
                        f"--iters, --preset, --data, --vlm, --amp and device as before, or another folder with --out."
                    )

    def write_options(self, run: Run) -> None:
        """Write a run's option files, unless they are there; :meth:`check` has let them pass.

        Raises:
            ConfigError: If one that is there cannot be read.
            SaveError: If they cannot be written.
        """
        comment = _COMMENT.format(name=run.name, folder=self.folder)
        for kind, options in (("train", run.train), ("final", run.final)):
            path = self.option_file(run, kind)
            if not path.exists() or _differing_from(path, options):  # its images have been moved
                make_folder(path.parent)
                write_text(path, write_options(options, comment=comment))

    def progress(self, run: Run) -> Progress:
        """Read how far a run is.

        Raises:
            DataError: If its file cannot be read.
        """
        path = self._progress_file(run)
        if not path.exists():
            return Progress()
        try:
            progress = Progress(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise DataError(
                f"{path} cannot be read ({error}); remove it and {self._experiment(run)} to start the run anew."
            ) from error
        measured = progress.measured and (self.evaluation_folder(run) / RECORD_FILE).exists()
        # What is measured needs no network any more.
        trained = progress.trained and (measured or self._final_network(run).exists())
        return replace(progress, measured=measured, trained=trained)

    def _experiment(self, run: Run) -> Path:
        return self.folder / "experiments" / run.name

    def _final_network(self, run: Run) -> Path:
        return self.folder / run.final["path"]["pretrain_network_g"]

    def note(self, run: Run, **changes: Any) -> Progress:
        """Change what is known of a run; returns it.

        Raises:
            SaveError: If it cannot be written.
        """
        progress = replace(self.progress(run), **changes)
        path = self._progress_file(run)
        make_folder(path.parent)
        write_json(path, asdict(progress))
        return progress

    def iteration(self, run: Run) -> int:
        """Tell from which iteration a run goes on: that of its newest saved state, 0 without any."""
        if self.progress(run).trained:
            return run.iterations
        states = (self.folder / "experiments" / run.name / "training_states").glob("*.state")
        return max((int(path.stem) for path in states if path.stem.isdigit()), default=0)

    def record(self, run: Run) -> EvaluationRecord | None:
        """Read a run's values; ``None`` if it has not been measured.

        Raises:
            DataError: If they cannot be read.
        """
        if not self.progress(run).measured:
            return None
        try:
            return read_record(self.evaluation_folder(run))
        except DataError as error:
            raise DataError(
                f"The figures of {run.name} cannot be read; remove {self.evaluation_folder(run)}, and the next call "
                f"measures the network again. {error}"
            ) from error

    def _progress_file(self, run: Run) -> Path:
        return self.folder / "runs" / f"{run.name}.json"


def _differing_from(path: Path, options: Mapping[str, Any]) -> list[str]:
    """Key paths at which an option file differs from options.

    Raises:
        ConfigError: If the file cannot be read.
    """
    try:
        before = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); remove it, or give another --out.") from error
    return _differing(before, yaml.safe_load(write_options(options, comment="")))


def _differing(before: Any, now: Any, path: str = "") -> list[str]:
    """Key paths at which two option mappings differ."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        keys = [*before, *(key for key in now if key not in before)]
        return [
            found
            for key in keys
            for found in _differing(before.get(key), now.get(key), f"{path}:{key}" if path else str(key))
        ]
    return [] if before == now else [path or "the whole file"]
