"""Every seed up to 2^32 - 1 is one, also where BasicSR adds to it.

Symptom: "Seed must be between 0 and 2**32 - 1".
Cause: the number of a process or of a worker is added to ``manual_seed``, and numpy refuses a sum of 2^32.
"""

import random

import numpy as np
import torch

from segsr_arch.compat.patching import is_stock, substitute

SEEDS = 2**32  # that numpy takes


def repair() -> bool:
    """Take sums modulo 2^32."""
    from basicsr import data
    from basicsr.utils import misc

    set_seed, init_worker = misc.set_random_seed, data.worker_init_fn
    if not (is_stock(set_seed, "manual_seed") and is_stock(init_worker, "seed", "random")):
        return False
    substitute(set_seed, set_random_seed)
    substitute(init_worker, worker_init_fn)
    return True


def set_random_seed(seed: int) -> None:
    """Seed Python's, numpy's and torch's generators; takes the place of BasicSR's. A seed is taken modulo 2^32."""
    seed %= SEEDS
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # of all GPUs, too


def worker_init_fn(worker_id: int, num_workers: int, rank: int, seed: int) -> None:
    """Seed the generators of a worker of a data loader; takes the place of BasicSR's, with the same seeds."""
    seed = (num_workers * rank + worker_id + seed) % SEEDS
    random.seed(seed)
    np.random.seed(seed)
