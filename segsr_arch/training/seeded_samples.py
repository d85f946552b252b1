"""Crops and flips that depend on a sample's place in the training, not on which worker happens to draw them."""

import contextlib
import random
import threading
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from segsr_arch.training.random_state import kept_random_state


class SampleIndex(int):
    """Index of a sample in its data set that knows where in the training it stands.

    Attributes:
        epoch: The epoch.
        position: Place in the order of that epoch over all processes, from 0.
    """

    epoch: int
    position: int

    def __new__(cls, index: int, *, epoch: int, position: int) -> "SampleIndex":
        """Give an index its place."""
        self = super().__new__(cls, index)
        self.epoch, self.position = epoch, position
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _sample_index, (int(self), self.epoch, self.position)


def _sample_index(index: int, epoch: int, position: int) -> SampleIndex:
    return SampleIndex(index, epoch=epoch, position=position)


class SeededSamples(Dataset[Any]):
    """A data set whose random draws depend on seed, epoch and position alone.

    However many workers there are, however far ahead they read, and wherever a run was stopped and resumed: a sample is
    cropped and flipped in one way. In a worker all three generators are seeded. Without workers their states are put
    back afterwards, since the network draws from torch's, too. In a thread beside the training (``prefetch_mode: cpu``
    without workers) that cannot be done while the training draws; only Python's and numpy's are seeded there, which are
    all that BasicSR's data sets use.

    Args:
        dataset: Any data set with indices.
        seed: At least 0.
    """

    def __init__(self, dataset: Dataset[Any], seed: int) -> None:
        self.dataset: Any = dataset
        self.seed = int(seed)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or name.startswith("__"):  # not there yet while this is unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __getitem__(self, index: int) -> Any:
        """Get a sample, seeded if the index is a :class:`SampleIndex`."""
        if not isinstance(index, SampleIndex):
            return self.dataset[index]
        in_worker = get_worker_info() is not None
        in_thread = not in_worker and threading.current_thread() is not threading.main_thread()
        with contextlib.nullcontext() if in_worker or in_thread else kept_random_state(gpus=False):
            words = np.random.SeedSequence((self.seed, index.epoch, index.position)).generate_state(3)
            random.seed(int(words[0]))
            np.random.seed(words[1])
            if not in_thread:
                torch.default_generator.manual_seed(int(words[2]))
            return self.dataset[int(index)]
