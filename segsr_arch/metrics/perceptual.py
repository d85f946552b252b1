"""LPIPS and DISTS: distances between the features of a network trained on photographs, through torchmetrics."""

import torch
import torchmetrics
from torchmetrics.functional.image.dists import DISTSNetwork
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision.models import AlexNet_Weights, VGG16_Weights

from segsr_arch.metrics.definition import LoadedImageMetric, LoadOptions
from segsr_arch.metrics.images import to_tensor
from segsr_arch.metrics.pretrained import hub_file

LPIPS_SIDE = 31  # below it AlexNet's second pooling has nothing left
DISTS_SIDE = 16  # VGG-16 halves four times
_BACKEND = f"torchmetrics {torchmetrics.__version__}"


def load_lpips(options: LoadOptions) -> LoadedImageMetric:
    """Learned perceptual image patch similarity (Zhang et al. 2018), AlexNet, version 0.1 of its weights.

    Args:
        options: The device is read.

    Returns:
        The metric on images of at least 31 x 31 pixels: 0 for identical images.

    Raises:
        WeightsError: If AlexNet's weights cannot be had or read.
    """
    with hub_file(AlexNet_Weights.IMAGENET1K_V1.url, metric="lpips"):
        network = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).net
    network = network.to(options.device).eval()

    @torch.inference_mode()
    def compute(sr, gt, lq, scale):
        images = (to_tensor(image, device=options.device) for image in (sr, gt))
        return network(*images, normalize=True).item()

    return LoadedImageMetric(backend=f"{_BACKEND}, AlexNet", compute=compute)


def load_dists(options: LoadOptions) -> LoadedImageMetric:
    """Deep image structure and texture similarity (Ding et al. 2020), VGG-16, images at their own size.

    torchmetrics' metric object would load the network again for every image, so its network is used directly.

    Args:
        options: The device is read.

    Returns:
        The metric on images of at least 16 x 16 pixels: 0 for identical images.

    Raises:
        WeightsError: If VGG-16's weights cannot be had or read.
    """
    with hub_file(VGG16_Weights.IMAGENET1K_V1.url, metric="dists"):
        network = DISTSNetwork()
    network = network.to(options.device).eval()

    @torch.inference_mode()
    def compute(sr, gt, lq, scale):
        return network(*(to_tensor(image, device=options.device) for image in (sr, gt))).item()

    return LoadedImageMetric(backend=f"{_BACKEND}, VGG-16, own size", compute=compute)
