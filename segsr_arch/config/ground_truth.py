"""The check that data sets to validate or test on have the ground truth that metrics compare with."""

import copy
from collections.abc import Mapping
from typing import Any

from segsr_arch.config.calls import find_registered
from segsr_arch.config.mappings import section_of
from segsr_arch.config.problems import Problems
from segsr_arch.metrics.registered import describe

_WITHOUT = ("SingleImageDataset",)


def check_ground_truth(problems: Problems, opt: Mapping[str, Any]) -> None:
    """Check that data sets to validate or test on have ground truth, if a metric compares with it.

    Of BasicSR's own data sets it is known whether they have; of another one the first item is read.

    Args:
        problems: Where problems go.
        opt: The options.
    """
    names = _comparing_metrics(opt)
    for name, options in section_of(opt, "datasets").items() if names else ():
        here, phase = problems.at("datasets", name), str(name).split("_")[0]
        if phase not in ("val", "test") or not isinstance(options, Mapping) or not here.ok:
            continue
        given = {**options, "phase": phase, "scale": opt.get("scale")}  # as BasicSR completes them
        if _lacks_ground_truth(here, given):
            here.add(
                f"{options['type']} has no ground truth for val:metrics ({', '.join(names)}); give a "
                "PairedImageDataset with dataroot_gt, or remove these metrics",
            )


def _comparing_metrics(opt: Mapping[str, Any]) -> list[str]:
    """Names of the metrics that need ground truth; one that is not right is somebody else's business."""
    names = []
    for name, options in section_of(opt, "val", "metrics").items():
        with Problems().trying(""):
            if describe(options).needs_ground_truth:
                names.append(str(name))
    return names


def _lacks_ground_truth(here: Problems, options: Mapping[str, Any]) -> bool:
    from basicsr.utils.registry import DATASET_REGISTRY

    cls = find_registered(Problems(), DATASET_REGISTRY, options.get("type"))
    if cls is None or cls.__module__.split(".")[0] == "basicsr":
        return options.get("type") in _WITHOUT
    with here.trying("its first item cannot be read"):
        dataset = cls(copy.deepcopy(dict(options)))
        item = dataset[0] if len(dataset) else None
        return isinstance(item, Mapping) and "lq" in item and "gt" not in item
    return False
