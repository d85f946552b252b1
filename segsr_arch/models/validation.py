"""The validation loop: every image once, shared among ranks, the figures exactly those of a single process."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from basicsr.metrics import calculate_metric
from basicsr.models.sr_model import SRModel
from basicsr.utils import imwrite, tensor2img
from basicsr.utils.registry import METRIC_REGISTRY
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.images.conversion import Conversion
from segsr_arch.inference.super_resolution import check_finite
from segsr_arch.metrics.registered import describe
from segsr_arch.results.classes import NO_CLASS, classes_of
from segsr_arch.results.provenance import pixel_digest
from segsr_arch.results.record import ImageRow, SetValue
from segsr_arch.results.references import place_below, places_of_item
from segsr_arch.running.progress import progress


@dataclass(frozen=True, kw_only=True)
class ImageResult:
    """What came of one image.

    Attributes:
        index: Its place in the data set.
        row: Its name, class, places, and values by metric; a value that is NaN is not there.
        features: What set metrics keep of it, by metric.
        problems: Why values are missing.
    """

    index: int
    row: ImageRow
    features: Mapping[str, np.ndarray]
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ValidationResult:
    """What came of a data set, the same on every rank.

    Attributes:
        images: The images in the order of the data set.
        means: Mean of each metric over the images that have a value; the figure of the set for a set metric.
        set_values: Figures of set metrics.
        problems: Why figures are missing.
    """

    images: tuple[ImageResult, ...]
    means: Mapping[str, float]
    set_values: Mapping[str, SetValue]
    problems: tuple[str, ...] = ()


def _share(dataloader: DataLoader[Any], rank: int, world_size: int) -> tuple[list[int], DataLoader[Any]]:
    """Indices and loader of the images that this rank validates."""
    dataset: Any = dataloader.dataset
    indices = list(range(rank, len(dataset), world_size))
    if world_size == 1:
        return indices, dataloader
    subset = Subset(dataset, indices)
    return indices, DataLoader(
        subset,
        batch_size=1,
        shuffle=False,
        num_workers=dataloader.num_workers,
        worker_init_fn=dataloader.worker_init_fn,
    )


def _image_path(opt: Mapping[str, Any], dataset_name: str, name: str, current_iter: int | str) -> Path:
    """Where BasicSR writes the SR image: by image while training, by data set in a test."""
    folder = Path(opt["path"]["visualization"])
    if opt["is_train"]:
        return folder / name / f"{Path(name).name}_{current_iter}.png"
    return folder / dataset_name / f"{name}_{opt['val'].get('suffix') or opt['name']}.png"


def validate(
    model: SRModel,
    dataloader: DataLoader[Any],
    current_iter: int | str,
    save_img: bool,
    show: Callable[[int, str, Mapping[str, Tensor]], None] | None = None,
) -> ValidationResult:
    """Super-resolve and measure every image of a data set.

    Args:
        model: Its ``feed_data`` and ``test`` are used; images are RGB in [0, 1].
        dataloader: BasicSR validation loader (batch 1).
        current_iter: For file names.
        save_img: Whether SR images are written.
        show: Called on rank 0 for each image of its share with its count from 0, its name, and ``lq``, ``sr`` and
            perhaps ``gt`` (1, 3, H, W).

    Returns:
        The results of all images, on every rank.

    Raises:
        ConfigError: If a metric compares with ground truth and the data set has none.
    """
    opt = model.opt
    metric_options = opt["val"].get("metrics") or {}
    dataset: Any = dataloader.dataset
    dataset_options = dataset.opt
    dataset_name = dataset_options["name"]
    conversion = Conversion.of_data_set(dataset_options)
    indices, loader = _share(dataloader, opt["rank"], opt["world_size"])
    comparing = [key for key, options in metric_options.items() if describe(options).needs_ground_truth]
    results = []
    shown = opt["val"].get("pbar", False) and opt["rank"] == 0
    with progress(total=len(indices), unit="image", what=f"Validate {dataset_name}", shown=shown) as bar:
        for count, (index, data) in enumerate(zip(indices, loader, strict=True)):
            lq_path, gt_path = data["lq_path"][0], data.get("gt_path", [None])[0]
            stem = Path(lq_path).stem
            model.feed_data(data)
            model.test()
            tensors = {"lq": model.lq, "sr": model.output}
            output, unmeasured = _checked(model.output.detach().float().cpu())
            images = {"img": tensor2img([output])}
            if "gt" in data:
                tensors["gt"] = model.gt
                images["img2"] = tensor2img([model.gt.detach().float().cpu()])
            elif comparing:
                raise ConfigError(
                    f"datasets: {dataset_name}: has no ground truth to compute val: metrics: {', '.join(comparing)} "
                    f"with; give a data set with dataroot_gt, or remove these metrics."
                )
            places = places_of_item(dataset_options, lq_path=lq_path, gt_path=gt_path, conversion=conversion)
            name = places.name
            if show is not None and opt["rank"] == 0:
                show(count, name, tensors)
            model.lq = model.output = model.gt = None
            file_name = name if "/" in name else stem  # BasicSR's, which tells images of several folders not apart
            sr_path = _image_path(opt, dataset_name, file_name, current_iter) if save_img and not unmeasured else None
            if sr_path is not None:
                imwrite(images["img"], str(sr_path))
            values, features, problems = ({}, {}, unmeasured) if unmeasured else _measure(images, metric_options)
            row = ImageRow(
                name=name,
                class_name=NO_CLASS,  # so far
                values=values,
                sr=place_below(None, None if sr_path is None else str(sr_path)),
                gt=places.gt,
                lq=places.lq,
                gt_digest=pixel_digest(images["img2"]) if "img2" in images else None,
            )
            told = tuple(f"{name}: {line}" for line in problems)
            results.append(ImageResult(index=index, row=row, features=features, problems=told))
            bar.update()
    if opt["dist"]:
        shares: list[list[ImageResult]] = [[] for _ in range(opt["world_size"])]
        dist.all_gather_object(shares, results)
        results = [result for share in shares for result in share]
    classes = classes_of([result.row.name for result in results])  # which only the names of the whole set tell
    results = [replace(one, row=replace(one.row, class_name=classes[one.row.name])) for one in results]
    return _combine(sorted(results, key=lambda result: result.index), metric_options)


def _checked(output: Tensor) -> tuple[Tensor, list[str]]:
    """The output, and what is wrong with it; an image of NaN must not be measured as if it were black."""
    try:
        return check_finite(output), []
    except DataError as error:
        return torch.nan_to_num(output), [str(error)]


def _measure(
    images: Mapping[str, np.ndarray], metric_options: Mapping[str, Mapping[str, Any]]
) -> tuple[dict[str, float], dict[str, np.ndarray], list[str]]:
    values, features, problems = {}, {}, []
    for key, options in metric_options.items():
        metric = METRIC_REGISTRY.get(options["type"])
        if getattr(metric, "set_metric", False):
            features[key] = metric.features(images["img"], images["img2"])
            continue
        value = float(calculate_metric(images, options))
        if math.isnan(value):
            problems.append(f"{key} is not defined for this image (NaN)")
        else:
            values[key] = value
    return values, features, problems


def _combine(results: list[ImageResult], metric_options: Mapping[str, Mapping[str, Any]]) -> ValidationResult:
    means, set_values = {}, {}
    problems = [line for result in results for line in result.problems]
    for key, options in metric_options.items() if results else ():
        metric = METRIC_REGISTRY.get(options["type"])
        if getattr(metric, "set_metric", False):
            try:
                set_values[key] = metric.combine([result.features[key] for result in results if key in result.features])
                means[key] = set_values[key].value
            except DataError as error:
                means[key] = math.nan
                problems.append(f"{key}: {error}")
            continue
        values = [result.row.values[key] for result in results if key in result.row.values]
        means[key] = math.fsum(values) / len(values) if values else math.nan
    return ValidationResult(images=tuple(results), means=means, set_values=set_values, problems=tuple(problems))
