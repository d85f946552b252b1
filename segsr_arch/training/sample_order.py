"""Which images a training has seen in its epoch, and with which one it goes on."""

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils.data import DataLoader, Dataset

from segsr_arch.errors import ConfigError
from segsr_arch.training.seeded_samples import SampleIndex


class SampleOrder:
    """The order in which one process of a training sees its images, epoch by epoch.

    BasicSR's ``EnlargedSampler`` shuffles by the epoch alone and deals one sequence out to the processes, so an epoch
    and a place in it say everything. Batches are those of the loader: ``batch_size_per_gpu`` times the GPUs of the
    process (``DataParallel``), an incomplete last one is dropped.

    Args:
        loader: Training loader; its sampler is an ``EnlargedSampler``.
        dataset: The data set itself.
    """

    def __init__(self, loader: DataLoader[Any], dataset: Dataset[Any]) -> None:
        self._sampler: Any = loader.sampler
        self._batch = loader.batch_size or 1  # None is for loaders that make no batches, as BasicSR's never are
        self._names = _digest_of_names(dataset)
        self._start = (0, 0)  # epoch and iteration after which this process begins

    @property
    def batches(self) -> int:
        """Iterations of a whole epoch."""
        whole: int = len(self._sampler) // self._batch
        return whole

    def resume(self, state: Mapping[str, Any]) -> str | None:
        """Begin after the images that the interrupted run had seen.

        Args:
            state: Training state with what :meth:`state` gave; without it, as stock BasicSR saves it, the run is taken
                to have had the batch size of this one.

        Returns:
            Why the order is not that of the uninterrupted run, or ``None`` if it is.
        """
        self._start = (state["epoch"], state["iter"])
        saved, problem = state.get("order"), None
        if saved is None:
            seen = max(state["iter"] - state["epoch"] * self.batches, 0) * self._batch
        elif saved["samples"] != self._sampler.total_size:
            seen = 0
            problem = f"an epoch has {self._sampler.total_size} samples, it had {saved['samples']}"
        elif None not in (saved["names"], self._names) and saved["names"] != self._names:
            seen, problem = 0, "the images have other names than they had"
        else:
            seen = saved["seen"] // self._sampler.num_replicas
        self._sampler.seen_before = (state["epoch"], min(seen, len(self._sampler)))
        return problem

    def state(self, epoch: int, iteration: int) -> dict[str, Any]:
        """What a training state holds of the order.

        Args:
            epoch: Epoch in which it is saved.
            iteration: Last iteration that was trained.
        """
        return {
            "seen": self._seen(epoch, iteration) * self._sampler.num_replicas,
            "samples": self._sampler.total_size,
            "names": self._names,
        }

    def last_epoch(self, total_iter: int) -> int:
        """Number of the epoch in which a training reaches ``total_iter``; the first one is 0.

        Raises:
            ConfigError: If an epoch has no whole batch, so that no epoch trains anything.
        """
        if self.batches == 0:
            raise ConfigError(
                f"datasets: train: batch_size_per_gpu: a batch of {self._batch} is larger than an epoch of "
                f"{len(self._sampler)} images (a process), so nothing would be trained; take a smaller batch or a "
                f"larger dataset_enlarge_ratio."
            )
        epoch, iteration = self._start
        rest = total_iter - iteration - self._batches_left()
        return epoch + max(math.ceil(rest / self.batches), 0)

    def _seen(self, epoch: int, iteration: int) -> int:
        """Samples of an epoch that this process has seen after an iteration."""
        first_epoch, first_iteration = self._start
        trained = iteration - first_iteration
        if epoch == first_epoch:
            return _seen_before(self._sampler, epoch) + trained * self._batch
        return (trained - self._batches_left() - (epoch - first_epoch - 1) * self.batches) * self._batch

    def _batches_left(self) -> int:
        """Iterations of the epoch in which this process begins."""
        rest: int = len(self._sampler) - _seen_before(self._sampler, self._start[0])
        return rest // self._batch


def in_order(sampler: Any, samples: list[int]) -> Iterator[SampleIndex]:
    """Iterate over the samples of an epoch, without those that were seen before the run was resumed within it.

    Args:
        sampler: An ``EnlargedSampler``.
        samples: What it gives by itself in its present epoch.

    Yields:
        The indices, each with its place in the order.
    """
    for place in range(_seen_before(sampler, sampler.epoch), len(samples)):
        position = place * sampler.num_replicas + sampler.rank
        yield SampleIndex(samples[place], epoch=sampler.epoch, position=position)


def _seen_before(sampler: Any, epoch: int) -> int:
    resumed_epoch, seen = getattr(sampler, "seen_before", (0, 0))
    return seen if epoch == resumed_epoch else 0


def _digest_of_names(dataset: Dataset[Any]) -> str | None:
    """Digest of the file names of a data set that lists them as BasicSR's do; folders may be moved meanwhile."""
    paths = getattr(dataset, "paths", None)
    if not isinstance(paths, list):
        return None
    digest = hashlib.sha256()
    for entry in paths:
        for path in entry.values() if isinstance(entry, Mapping) else (entry,):
            digest.update(f"{os.path.basename(str(path))}\n".encode())
    return digest.hexdigest()
