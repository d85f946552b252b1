"""A sample that a data set cannot make is named.

Symptom: "Scale mismatches. GT (128, 128) is not 4x multiplication of LQ (33, 32)." ends a training.
Cause: what a data set raises does not say at which of its thousands of images.
"""

from collections.abc import Callable
from typing import Any

from segsr_arch.compat.patching import wrap_stock
from segsr_arch.running.failures import name_samples


def repair() -> bool:
    """Let the class of each data set that is built name the files of the sample."""
    from basicsr import data

    def wrap(stock: Callable[..., Any]) -> Callable[..., Any]:
        def build_dataset(dataset_opt: dict[str, Any]) -> Any:
            dataset = stock(dataset_opt)
            name_samples(type(dataset))
            return dataset

        return build_dataset

    return wrap_stock(data, "build_dataset", wrap, uses=("DATASET_REGISTRY", "deepcopy"))
