"""The validation loop: every image once, shared among ranks, the figures exactly those of a single process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.distributed as dist
from basicsr.metrics import calculate_metric
from basicsr.utils import imwrite, tensor2img
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from segsr_arch.errors import ConfigError

if TYPE_CHECKING:
    from segsr_arch.models.segsr_model import SeGSRModel


@dataclass(frozen=True)
class ImageResult:
    """Metrics of one image: its place in the data set, its name, and values by metric."""

    index: int
    name: str
    metrics: Mapping[str, float]


def _share(dataloader: DataLoader, rank: int, world_size: int) -> tuple[list[int], DataLoader]:
    """Indices and loader of the images that this rank validates."""
    indices = list(range(rank, len(dataloader.dataset), world_size))
    if world_size == 1:
        return indices, dataloader
    subset = Subset(dataloader.dataset, indices)
    return indices, DataLoader(subset, batch_size=1, shuffle=False, num_workers=dataloader.num_workers)


def _image_path(opt: Mapping[str, Any], dataset_name: str, name: str, current_iter: int | str) -> Path:
    """Where BasicSR writes the SR image: by image while training, by data set in a test."""
    folder = Path(opt["path"]["visualization"])
    if opt["is_train"]:
        return folder / name / f"{name}_{current_iter}.png"
    return folder / dataset_name / f"{name}_{opt['val'].get('suffix') or opt['name']}.png"


def validate(model: "SeGSRModel", dataloader: DataLoader, current_iter: int | str, save_img: bool) -> list[ImageResult]:
    """Super-resolve and measure every image of a data set.

    Args:
        model: Its ``feed_data`` and ``test`` are used; images are RGB in [0, 1].
        dataloader: BasicSR validation loader (batch 1).
        current_iter: For file names.
        save_img: Whether SR images are written.

    Returns:
        The results of all images in the order of the data set, on every rank.

    Raises:
        ConfigError: If metrics are asked for and the data set has no ground truth.
    """
    opt = model.opt
    metric_options = opt["val"].get("metrics") or {}
    dataset_name = dataloader.dataset.opt["name"]
    indices, loader = _share(dataloader, opt["rank"], opt["world_size"])
    results = []
    shown = opt["val"].get("pbar", False) and opt["rank"] == 0
    with tqdm(total=len(indices), unit="image", desc=f"Validate {dataset_name}", disable=not shown) as progress:
        for index, data in zip(indices, loader, strict=True):
            name = Path(data["lq_path"][0]).stem
            model.feed_data(data)
            model.test()
            images = {"img": tensor2img([model.output.detach().float().cpu()])}
            if "gt" in data:
                images["img2"] = tensor2img([model.gt.detach().float().cpu()])
            elif metric_options:
                raise ConfigError(
                    f"datasets: {dataset_name}: has no ground truth to compute val: metrics with; give a data set "
                    f"with dataroot_gt, or remove val: metrics."
                )
            model.lq = model.output = model.gt = None
            if save_img:
                imwrite(images["img"], str(_image_path(opt, dataset_name, name, current_iter)))
            metrics = {key: float(calculate_metric(images, options)) for key, options in metric_options.items()}
            results.append(ImageResult(index, name, metrics))
            progress.update()
    if opt["dist"]:
        shares: list[list[ImageResult]] = [[] for _ in range(opt["world_size"])]
        dist.all_gather_object(shares, results)
        results = [result for share in shares for result in share]
    return sorted(results, key=lambda result: result.index)


def mean_metrics(results: list[ImageResult]) -> dict[str, float]:
    """Mean of each metric over the images."""
    if not results:
        return {}
    return {key: sum(result.metrics[key] for result in results) / len(results) for key in results[0].metrics}
