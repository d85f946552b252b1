"""Option files and launchers of other machines, and runs without a seed, are what they are meant to be.

Symptom: "unrecognized arguments: --local-rank"; "Found no NVIDIA driver"; a resumed run with another seed;
``KeyError: 'window_size'``.
Cause: ``torch.distributed.launch`` spells ``--local-rank`` with a hyphen since torch 2.0; ``num_gpu: 1`` and
``prefetch_mode: cuda`` end in errors of the CUDA runtime where there is no GPU. A run without ``manual_seed`` that is
resumed draws another one, which nobody can tell from one that was given; each process draws its own. And model classes
such as ``SwinIRModel`` look for ``window_size`` in ``network_g``, which may leave it to its default.
"""

import logging
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from segsr_arch.compat.patching import reach_script, wrap_stock
from segsr_arch.errors import ConfigError
from segsr_arch.replacing import replaced
from segsr_arch.training.trained_options import DrawnSeed

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)

network_completions: list[Callable[[Mapping[str, Any]], Mapping[str, Any]]] = []
"""What completes the options of ``network_g`` for model classes: knows networks, which this module does not."""


def repair() -> bool:
    """Accept both spellings, settle devices, mark and share drawn seeds, and complete the options of the network."""
    from basicsr.utils import options

    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        def parse_options(root_path: str, is_train: bool = True) -> tuple[dict[str, Any], Any]:
            reach_script()  # a script that is BasicSR's train.py calls this first, and has defined all it has by now
            with replaced(sys, "argv", underscore_local_rank(sys.argv)), replaced(options, "random", _MarkedDraw):
                opt, args = stock(root_path, is_train)
            if isinstance(opt.get("network_g"), dict):
                for complete in network_completions:
                    opt["network_g"] = complete(opt["network_g"])
            return share_drawn_seed(settle_devices(opt)), args

        return parse_options

    return wrap_stock(options, "parse_options", wrap, uses=("--local_rank", "num_gpu"))


def settle_devices(opt: dict[str, Any]) -> dict[str, Any]:
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


def _settle_gpus(opt: dict[str, Any], count: int, warn: Callable[..., None]) -> dict[str, Any]:
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


def underscore_local_rank(arguments: Sequence[str]) -> list[str]:
    """Spell ``--local-rank`` as ``--local_rank``, with a value attached or not; returns a new list."""
    old, new = "--local-rank", "--local_rank"
    return [new + text[len(old) :] if text.partition("=")[0] == old else text for text in arguments]


def share_drawn_seed(opt: dict[str, Any]) -> dict[str, Any]:
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
    def randint(low: int, high: int) -> DrawnSeed:
        return DrawnSeed(random.randint(low, high))
