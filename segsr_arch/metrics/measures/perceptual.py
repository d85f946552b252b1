"""LPIPS and DISTS: distances between the features of a network trained on photographs, through torchmetrics."""

import torch
import torchmetrics
from torch import Tensor
from torchmetrics.functional.image.dists import DISTSNetwork
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import AlexNet_Weights, VGG16_Weights

from segsr_arch.metrics.metric import Compute, Metric
from segsr_arch.metrics.pretrained import hub_file

_BACKEND = f"torchmetrics {torchmetrics.__version__}"


def _load_lpips(*, device: torch.device) -> tuple[str, Compute]:
    """Version 0.1 of its weights."""
    with hub_file(AlexNet_Weights.IMAGENET1K_V1.url, metric="lpips"):
        network = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).net
    network = network.to(device).eval()

    @torch.inference_mode()
    def compute(sr: Tensor, gt: Tensor) -> float:
        return float(network(sr, gt, normalize=True))

    return f"{_BACKEND}, AlexNet", compute


def _load_dists(*, device: torch.device) -> tuple[str, Compute]:
    """Use the network of torchmetrics directly: its metric object would load it again for every image."""
    with hub_file(VGG16_Weights.IMAGENET1K_V1.url, metric="dists"):
        network = DISTSNetwork()
    network = network.to(device).eval()

    @torch.inference_mode()
    def compute(sr: Tensor, gt: Tensor) -> float:
        return float(network(sr, gt))

    return f"{_BACKEND}, VGG-16, own size", compute


METRICS = (
    Metric(
        name="lpips",
        title="LPIPS",
        better="lower",
        reads="RGB",
        smallest_side=31,  # below it AlexNet's second pooling has nothing left
        description="Learned perceptual image patch similarity, AlexNet; 0 if identical.",
        source="Zhang et al. 2018",
        loader=_load_lpips,
    ),
    Metric(
        name="dists",
        title="DISTS",
        better="lower",
        reads="RGB",
        smallest_side=16,  # VGG-16 halves four times
        description="Deep image structure and texture similarity, images at their own size; 0 if identical.",
        source="Ding et al. 2020",
        loader=_load_dists,
    ),
)
