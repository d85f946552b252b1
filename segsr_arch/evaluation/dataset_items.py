"""The images of a BasicSR data set, as an evaluation takes them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from basicsr.utils import tensor2img
from torch.utils.data import Dataset

from segsr_arch.errors import ConfigError
from segsr_arch.evaluation.methods import Item
from segsr_arch.images.conversion import Conversion
from segsr_arch.results.classes import classes_of
from segsr_arch.results.record import ImageRow
from segsr_arch.results.references import check_encodable, places_of_item
from segsr_arch.sources.image_names import leads_out


def check_dataset(dataset: Dataset) -> None:
    """Make sure that a data set's items are images with values in [0, 1].

    Raises:
        ConfigError: If it normalises them; the metrics of ``basicsr test`` would be wrong, too.
    """
    options = dataset.opt
    for key in ("mean", "std"):
        if options.get(key) is not None:
            raise ConfigError(
                f"datasets: {options['name']}: {key}: normalised images cannot be compared with the ground truth; "
                f"remove mean and std, and let the network normalise."
            )


def has_ground_truth(dataset: Dataset) -> bool:
    """Whether the items of a data set have ground truth."""
    return dataset.opt.get("dataroot_gt") is not None


def dataset_items(dataset: Dataset) -> Iterator[Item]:
    """Give the images of a data set, in its order.

    Args:
        dataset: Its items have ``lq`` (3, H, W) RGB in [0, 1] and ``lq_path``, perhaps ``gt`` and ``gt_path``.

    Yields:
        The images; what a method takes is the item of the data set.

    Raises:
        ConfigError: If two images have one name, or one has a path instead.
    """
    conversion = Conversion.of_data_set(dataset.opt)
    items = [
        places_of_item(dataset.opt, lq_path=lq_path, gt_path=gt_path, conversion=conversion)
        for lq_path, gt_path in _paths(dataset)
    ]
    classes = classes_of([item.name for item in items])
    seen: set[str] = set()
    for index, places in enumerate(items):
        name = places.name
        check_encodable(name, f"datasets: {dataset.opt['name']}")
        if leads_out(name):
            raise ConfigError(f"datasets: {dataset.opt['name']}: {name!r} is a path out of the data set; rename it.")
        if name in seen:
            raise ConfigError(f"datasets: {dataset.opt['name']}: two images are called {name}; rename one.")
        seen.add(name)

        def read(index: int = index) -> tuple[Any, np.ndarray, np.ndarray | None]:
            item = dataset[index]
            gt = tensor2img([item["gt"]]) if "gt" in item else None
            return item, tensor2img([item["lq"]]), gt

        yield Item(row=ImageRow(name=name, class_name=classes[name], lq=places.lq, gt=places.gt), read=read)


def _paths(dataset: Dataset) -> Iterator[tuple[str, str | None]]:
    """Paths of LR image and ground truth, as BasicSR's paired and single data sets keep them."""
    paths = getattr(dataset, "paths", None)
    if paths is None:
        raise ConfigError(
            f"datasets: {dataset.opt['name']}: {type(dataset).__name__} does not list its images; use "
            f"PairedImageDataset or SingleImageDataset."
        )
    for path in paths:
        if isinstance(path, dict):
            yield path["lq_path"], path.get("gt_path")
        else:
            yield path, None
