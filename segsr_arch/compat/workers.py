"""Worker processes that start with an empty interpreter: data sets bring this package, and its repairs, with them."""

from multiprocessing.reduction import ForkingPickler

from segsr_arch.failures import name_samples


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


def _reduce(dataset):
    # The function is unpickled first, and with it this package; then the class.
    return _rebuild, (type(dataset), dataset.__dict__)


def _rebuild(dataset_class, state):
    dataset = name_samples(dataset_class).__new__(dataset_class)
    dataset.__dict__.update(state)
    return dataset
