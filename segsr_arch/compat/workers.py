"""Worker processes: they bring this package and its repairs with them, and end with the process that started them."""

import functools
from multiprocessing.reduction import ForkingPickler

from segsr_arch.compat.patching import is_stock, substitute
from segsr_arch.running.failures import name_samples
from segsr_arch.running.processes import WorkerOfThis


def repair_spawned_workers():
    """Make a pickled data set import this package before BasicSR.

    Cause: a worker that is spawned (the rule under a launcher, on Windows and macOS, and on Linux since Python 3.14)
    starts with an empty interpreter and imports the data set's module, hence basicsr, which fails there for want of
    the repairs. It re-imports the main script first, but an interactive session, ``python -c`` and test runners
    have none that would import this package.

    Returns:
        True: pickling cannot be broken, only lack this.
    """
    from basicsr.utils.registry import DATASET_REGISTRY

    for _, dataset_class in DATASET_REGISTRY:
        ForkingPickler.register(dataset_class, _reduce)
    return True


def repair_orphaned_workers():
    """Let the workers of a data loader end with a main process that is killed.

    Cause: they look after it every five seconds, between two images, and not at all while one is being read.

    Returns:
        True if BasicSR's function that makes loaders was stock.
    """
    from basicsr import data

    stock = data.build_dataloader
    if not is_stock(stock, "PrefetchDataLoader", "DataLoader"):
        return False

    @functools.wraps(stock)
    def build_dataloader(*args, **options):
        loader = stock(*args, **options)
        loader.worker_init_fn = WorkerOfThis(loader.worker_init_fn)
        return loader

    substitute(stock, build_dataloader)
    return True


def _reduce(dataset):
    # The function is unpickled first, and with it this package; then the class.
    return _rebuild, (type(dataset), dataset.__dict__)


def _rebuild(dataset_class, state):
    dataset = name_samples(dataset_class).__new__(dataset_class)
    dataset.__dict__.update(state)
    return dataset
