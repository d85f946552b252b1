"""Which network was the best so far: by the first metric on the first validation set, remembered beside the weights."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from segsr_arch.files.atomic import atomic_write


class BestNetwork:
    """Remembers the best validation of a run in ``net_g_best.json``.

    Args:
        opt: The whole options.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        sets = [data["name"] for phase, data in opt["datasets"].items() if phase.split("_")[0] == "val"]
        metrics = (opt.get("val") or {}).get("metrics") or {}
        self._dataset: str | None = next(iter(sets), None)
        self._metric: str | None = next(iter(metrics), None)
        self._higher = metrics.get(self._metric, {}).get("better", "higher") == "higher"
        self._file = Path(opt["path"]["models"]) / "net_g_best.json"
        self._value: float | None = None

    def resume(self, iteration: int) -> None:
        """Go on from the file, if there is one that was selected in the same way.

        Args:
            iteration: Iteration from which the training goes on.
        """
        if not self._file.is_file():
            return
        try:
            record = json.loads(self._file.read_text(encoding="utf-8"))
            selection, value, selected_at = (
                (record["dataset"], record["metric"]),
                float(record["value"]),
                record["iter"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            get_root_logger().warning(
                f"{self._file} cannot be read ({type(error).__name__}: {error}); the next validation replaces it and "
                f"net_g_best.pth."
            )
            return
        if selection == (self._dataset, self._metric):
            self._value = value
            if selected_at > iteration:
                get_root_logger().warning(
                    f"net_g_best.pth was selected at iteration {selected_at}, after iteration {iteration}, from which "
                    f"this run goes on; it stays until a validation is better."
                )
            return
        get_root_logger().warning(
            f"{self._file} was selected by {record['metric']} on {record['dataset']}; this run selects by another "
            f"metric or data set, so the next validation replaces it."
        )

    def is_improved_by(self, dataset: str, means: Mapping[str, float]) -> bool:
        """Whether a validation is the one that counts, and better than all before.

        Args:
            dataset: Name of the data set.
            means: Mean of each metric.
        """
        if dataset != self._dataset or self._metric is None or math.isnan(means[self._metric]):
            return False
        value = means[self._metric]
        return self._value is None or (value > self._value if self._higher else value < self._value)

    def remember(self, means: Mapping[str, float], iteration: int) -> None:
        """Take a validation as the best; to be called once its network is saved.

        Args:
            means: Mean of each metric.
            iteration: Training iteration.

        Raises:
            SaveError: If the file cannot be written.
        """
        assert self._metric is not None, "without a metric none is the best"
        self._value = means[self._metric]
        record = {"dataset": self._dataset, "metric": self._metric, "value": self._value, "iter": iteration}
        with atomic_write(self._file) as file:
            file.write(json.dumps(record).encode())
        get_root_logger().info(
            f"Best {self._metric} on {self._dataset} so far: {self._value:.4f} at iteration {iteration}; saved "
            f"net_g_best.pth."
        )
