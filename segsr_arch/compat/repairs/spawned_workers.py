"""A worker process that is spawned brings this package and its repairs along.

Symptom: importing basicsr fails in workers, under a launcher, on Windows and macOS, and on Linux since Python 3.14.
Cause: a spawned worker starts with an empty interpreter and imports the data set's module, hence basicsr. It re-imports
the main script first, but an interactive session, ``python -c`` and test runners have none that would import this
package.
"""

from multiprocessing.reduction import ForkingPickler
from typing import Any

from segsr_arch.running.failures import name_samples


def repair() -> bool:
    """Make each pickled data set import this package first; always needed, and again for classes that come later."""
    from basicsr.utils.registry import DATASET_REGISTRY

    for _, dataset_class in DATASET_REGISTRY:
        ForkingPickler.register(dataset_class, _reduce)
    return True


def _reduce(dataset: Any) -> tuple[Any, ...]:
    # The function is unpickled first, and with it this package; then the class.
    return _rebuild, (type(dataset), dataset.__dict__)


def _rebuild(dataset_class: type, state: dict[str, Any]) -> Any:
    dataset = name_samples(dataset_class).__new__(dataset_class)
    dataset.__dict__.update(state)
    return dataset
