import os

import torch
from basicsr.data import build_dataloader

from segsr_arch.running.processes import WorkerOfThis


class Parents(torch.utils.data.Dataset):
    """Whose child the process is that gives an item."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return os.getppid()


def test_the_workers_of_a_loader_end_with_this_process():
    options = {"phase": "train", "num_worker_per_gpu": 1, "batch_size_per_gpu": 1, "prefetch_mode": None}
    loader = build_dataloader(Parents(), options, num_gpu=0, sampler=None, seed=1)
    assert isinstance(loader.worker_init_fn, WorkerOfThis)
    assert [int(item) for item in loader] == [os.getpid()] * 2
