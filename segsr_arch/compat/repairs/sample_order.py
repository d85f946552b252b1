"""Crops and flips depend on seed, epoch and place, and a resumed epoch goes on where it stopped.

Symptom: another number of workers trains another network; after a resume some images are seen twice, others never.
Cause: workers draw from generators of their own, one after the other, so what they draw depends on their number, and a
resumed run draws again what it began with. ``EnlargedSampler`` begins an epoch that is resumed again. And each iterator
of a loader takes a number from the generator from which the network's dropout is drawn.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.data import IterableDataset

from segsr_arch.compat.patching import is_stock, wrap_stock
from segsr_arch.compat.pipeline import PIPELINE
from segsr_arch.running.failures import NamedCollate
from segsr_arch.training.sample_order import in_order
from segsr_arch.training.seeded_samples import SeededSamples


def repair() -> bool:
    """Seed each sample by its place, skip those that were seen, and give loaders generators of their own."""
    from basicsr import data
    from basicsr.data.data_sampler import EnlargedSampler

    sample = EnlargedSampler.__iter__
    if not (is_stock(sample, "randperm", "total_size") and _wrap_loaders(data)):
        return False
    EnlargedSampler.__iter__ = lambda sampler: in_order(sampler, list(sample(sampler)))
    return True


def _wrap_loaders(data: Any) -> bool:
    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        def build_dataloader(
            dataset: Any,
            dataset_opt: dict[str, Any],
            num_gpu: int = 1,
            dist: bool = False,
            sampler: Any = None,
            seed: int | None = None,
        ) -> Any:
            phase, read = dataset_opt["phase"], dataset
            if phase == "train" and seed is not None and not isinstance(dataset, IterableDataset):
                read = SeededSamples(dataset, seed)
            loader = stock(read, dataset_opt, num_gpu=num_gpu, dist=dist, sampler=sampler, seed=seed)
            loader.collate_fn = NamedCollate(loader.collate_fn)
            loader.generator = torch.Generator()
            loader.generator.manual_seed(seed or 0)
            PIPELINE.note_loader(loader, dataset, phase)
            return loader

        return build_dataloader

    return wrap_stock(data, "build_dataloader", wrap, uses=("PrefetchDataLoader",))
