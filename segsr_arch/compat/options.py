"""Option files and launchers of other machines: no GPU, hyphens in ``--local-rank``; and seeds that BasicSR draws."""

import logging
import os
import random
import sys

import numpy as np
import torch

from segsr_arch.compat.patching import is_stock, reach_script, substitute
from segsr_arch.errors import ConfigError
from segsr_arch.replacing import replaced
from segsr_arch.training.trained_options import DrawnSeed

SEEDS = 2**32  # that numpy takes

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)


def settle_devices(opt):
    """Turn off what needs a GPU where there is none, with one warning for each kind; changes ``opt`` in place.

    Args:
        opt: Parsed options: ``num_gpu``, and ``prefetch_mode`` and ``pin_memory`` of the data sets.

    Returns:
        The same ``opt``.

    Raises:
        ConfigError: If a launcher has started more processes than there are GPUs.
    """
    warn = logger.warning if opt.get("rank", 0) == 0 else logger.debug
    if torch.cuda.is_available():
        return _settle_gpus(opt, torch.cuda.device_count(), warn)
    if opt.get("num_gpu") not in (0, "auto", None):
        warn("num_gpu: %s, but there is no GPU here: running on the CPU (num_gpu: 0)", opt["num_gpu"])
        opt["num_gpu"] = 0
    datasets = opt.get("datasets", {})
    cuda = [name for name, dataset in datasets.items() if dataset.get("prefetch_mode") == "cuda"]
    if cuda:
        warn("prefetch_mode: cuda (%s), but there is no GPU here: using prefetch_mode: cpu", ", ".join(cuda))
    for name, dataset in datasets.items():
        if name in cuda:
            dataset["prefetch_mode"] = "cpu"
        if dataset.get("pin_memory"):  # of no use without a GPU; torch would warn at every iterator
            dataset["pin_memory"] = False
    return opt


def _settle_gpus(opt, count, warn):
    """Take no more GPUs than there are, with a warning; refuse more processes than GPUs."""
    given = opt.get("num_gpu")
    if opt.get("dist"):
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        if given != 0 and processes > count:
            raise ConfigError(
                f"num_gpu: {given}: {processes} processes were started on this machine, where torch sees {count} "
                f"GPU{'' if count == 1 else 's'}: start at most {count}, or set num_gpu: 0 to run on the CPU."
            )
    elif isinstance(given, int) and given > count:
        # BasicSR would make the batch so many times larger, and run all of it on those that there are.
        warn("num_gpu: %s, but torch sees %s here: using num_gpu: %s", given, count, count)
        opt["num_gpu"] = count
    return opt


def underscore_local_rank(arguments):
    """Spell ``--local-rank`` as ``--local_rank``, with a value attached or not; returns a new list."""
    old, new = "--local-rank", "--local_rank"
    return [new + text[len(old) :] if text.partition("=")[0] == old else text for text in arguments]


def share_drawn_seed(opt):
    """Let all processes have the seed that the first one has drawn, and seed them anew; changes ``opt`` in place.

    Args:
        opt: Parsed options; left alone where the option file names a seed or there is one process.

    Returns:
        The same ``opt``.
    """
    from basicsr.utils import set_random_seed

    if opt.get("dist") and isinstance(opt.get("manual_seed"), DrawnSeed):
        seeds = [opt["manual_seed"]]
        torch.distributed.broadcast_object_list(seeds)
        opt["manual_seed"] = seeds[0]
        set_random_seed(seeds[0] + opt["rank"])
    return opt


class _MarkedDraw:
    """Stands in for the module ``random`` where BasicSR draws the seed that an option file does not name."""

    @staticmethod
    def randint(low, high):
        return DrawnSeed(random.randint(low, high))


def repair_seeds():
    """Let every seed up to 2^32 - 1 be one, also where BasicSR adds to it.

    Cause: the number of a process or of a worker is added to ``manual_seed``, and numpy refuses a sum of 2^32.

    Returns:
        True if it was stock.
    """
    from basicsr import data
    from basicsr.utils import misc

    set_seed, init_worker = misc.set_random_seed, data.worker_init_fn
    if not (is_stock(set_seed, "manual_seed") and is_stock(init_worker, "seed", "random")):
        return False
    substitute(set_seed, set_random_seed)
    substitute(init_worker, worker_init_fn)
    return True


def set_random_seed(seed):
    """Seed Python's, numpy's and torch's generators; takes the place of BasicSR's. A seed is taken modulo 2^32."""
    seed %= SEEDS
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)  # of all GPUs, too


def worker_init_fn(worker_id, num_workers, rank, seed):
    """Seed the generators of a worker of a data loader; takes the place of BasicSR's, with the same seeds."""
    seed = (num_workers * rank + worker_id + seed) % SEEDS
    random.seed(seed)
    np.random.seed(seed)


def repair_parse_options():
    """Accept both spellings of the launcher's option, and option files that were written for a GPU; mark drawn seeds.

    Cause: ``torch.distributed.launch`` spells ``--local-rank`` with a hyphen since torch 2.0; ``num_gpu: 1`` and
    ``prefetch_mode: cuda`` end in errors of the CUDA runtime where there is no GPU. A run without ``manual_seed`` that
    is resumed draws another one, which nobody can tell from one that was given; each process draws its own. And model
    classes such as ``SwinIRModel`` look for ``window_size`` in ``network_g``, which may leave it to its default.

    Returns:
        True if it was stock.
    """
    from basicsr.utils import options

    stock = options.parse_options
    if not is_stock(stock, "--local_rank", "num_gpu"):
        return False

    from segsr_arch.inference.window_sizes import knowing_window  # which imports basicsr

    def parse_options(root_path, is_train=True):
        reach_script()  # a script that is BasicSR's own train.py calls this first, and has defined all it has by now
        given = sys.argv
        sys.argv = underscore_local_rank(given)
        try:
            with replaced(options, "random", _MarkedDraw):
                opt, args = stock(root_path, is_train)
        finally:
            sys.argv = given
        if isinstance(opt.get("network_g"), dict):
            opt["network_g"] = knowing_window(opt["network_g"])
        return share_drawn_seed(settle_devices(opt)), args

    substitute(stock, parse_options)
    return True
