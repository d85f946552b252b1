"""The workers of a loader are started once.

Symptom: ``prefetch_mode: cpu``, and none, start twice as many workers as ``num_worker_per_gpu`` says.
Cause: ``CPUPrefetcher.__init__`` makes an iterator, which starts all workers, and the ``reset`` at the begin of the
first epoch makes another.
"""

from typing import Any

from segsr_arch.compat.patching import is_stock


def repair() -> bool:
    """Make the iterator when an epoch begins, or when the first batch is asked for."""
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    if not is_stock(CPUPrefetcher.__init__, "iter"):
        return False
    CPUPrefetcher.__init__, CPUPrefetcher.next, CPUPrefetcher.reset = _init, _next, _reset
    return True


def _init(self: Any, loader: Any) -> None:
    self.ori_loader = loader
    self.loader = None


def _next(self: Any) -> Any:
    if self.loader is None:
        self.reset()
    return next(self.loader, None)


def _reset(self: Any) -> None:
    self.loader = None  # ends the old iterator first: persistent workers cannot serve two
    self.loader = iter(self.ori_loader)
