"""A training goes on for as many epochs as it needs.

Symptom: with ``num_gpu: 2`` and no launcher, a training ends halfway to ``total_iter``.
Cause: ``create_train_val_dataloader`` counts iterations of an epoch as if the incomplete last batch were trained, and
as if a process had one GPU. The loop ends when its epochs are over.
"""

import logging
from collections.abc import Callable
from typing import Any

from segsr_arch.compat.patching import wrap_stock
from segsr_arch.compat.pipeline import PIPELINE

# Not get_root_logger(): it would leave the coming training without a log file.
logger = logging.getLogger(__name__)


def repair() -> bool:
    """Count by the order of samples, if there is one, and take the larger number."""
    import basicsr.train

    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        def create_train_val_dataloader(opt: dict[str, Any], basicsr_logger: Any) -> tuple[Any, ...]:
            train_loader, train_sampler, val_loaders, total_epochs, total_iters = stock(opt, basicsr_logger)
            order = PIPELINE.order
            if order is not None and order.last_epoch(total_iters) > total_epochs:
                total_epochs = order.last_epoch(total_iters)
                logger.info(
                    "An epoch has %d iterations, counted by whole batches of all GPUs: epochs go on to %d.",
                    order.batches,
                    total_epochs,
                )
            return train_loader, train_sampler, val_loaders, total_epochs, total_iters

        return create_train_val_dataloader

    return wrap_stock(basicsr.train, "create_train_val_dataloader", wrap, uses=("EnlargedSampler", "ceil"))
