"""The workers of a data loader end with a main process that is killed.

Symptom: processes that go on reading images after their training is gone.
Cause: they look after it every five seconds, between two images, and not at all while one is being read.
"""

import functools
from collections.abc import Callable
from typing import Any

from segsr_arch.compat.patching import wrap_stock
from segsr_arch.running.processes import WorkerOfThis


def repair() -> bool:
    """Let each worker watch the process that started it."""
    from basicsr import data

    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(stock)
        def build_dataloader(*args: Any, **options: Any) -> Any:
            loader = stock(*args, **options)
            loader.worker_init_fn = WorkerOfThis(loader.worker_init_fn)
            return loader

        return build_dataloader

    return wrap_stock(data, "build_dataloader", wrap, uses=("PrefetchDataLoader", "DataLoader"))
