"""Kernel inception distance (Binkowski et al. 2018): how far the features of two sets of images lie apart.

The features are those of the Inception network of torch-fidelity as torchmetrics runs it. The estimate is the unbiased
one over all images; torchmetrics' own average over random subsets of 1000 cannot be had of the few hundred images of a
test set.
"""

from collections.abc import Callable

import numpy as np
import torch
import torchmetrics
from torch import Tensor

from segsr_arch.metrics.metric import Compute, Metric
from segsr_arch.metrics.pretrained import hub_file
from segsr_arch.results.record import SetValue

SUBSET_SIZE = 1000
_SUBSETS = 100
_ROWS_AT_ONCE = 512


def polynomial_kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """KID's kernel (x . y / d + 1)^3 between features (m, d) and (n, d): (m, n) float64."""
    kernel: np.ndarray = (first.astype(np.float64) @ second.astype(np.float64).T / first.shape[1] + 1.0) ** 3
    return kernel


def _kernel_sum(first: np.ndarray, second: np.ndarray) -> float:
    starts = range(0, len(first), _ROWS_AT_ONCE)
    return float(sum(polynomial_kernel(first[start : start + _ROWS_AT_ONCE], second).sum() for start in starts))


def _diagonal_sum(features: np.ndarray) -> float:
    return float((((features.astype(np.float64) ** 2).sum(axis=1) / features.shape[1] + 1.0) ** 3).sum())


def mmd_from_sums(within_first: float, within_second: float, across: float, count: int) -> float:
    """Unbiased squared maximum mean discrepancy of two sets of the same size.

    Args:
        within_first: Sum of the kernel over all ordered pairs of different members of the first set.
        within_second: The same of the second set.
        across: Sum over all pairs of one member of each set.
        count: Members n of a set, at least 2.

    Returns:
        The estimate, which can be slightly negative.
    """
    return (within_first + within_second) / (count * (count - 1)) - 2 * across / count**2


def unbiased_mmd(first: np.ndarray, second: np.ndarray) -> float:
    """Unbiased squared maximum mean discrepancy between features (n, d) and (n, d), n at least 2."""
    return mmd_from_sums(
        _kernel_sum(first, first) - _diagonal_sum(first),
        _kernel_sum(second, second) - _diagonal_sum(second),
        _kernel_sum(first, second),
        len(first),
    )


def kernel_distance(sr: np.ndarray, gt: np.ndarray) -> SetValue:
    """Compute KID from features.

    Args:
        sr: Features (n, d) of the SR images.
        gt: Features (n, d) of the GT images.

    Returns:
        The estimate over all n images. Its standard deviation is that over 100 random subsets of 1000 images, as the
        publication gives it, and ``None`` for up to 1000 images.
    """
    count, std = len(sr), None
    if count > SUBSET_SIZE:
        random = np.random.default_rng(0)
        draws = [[random.permutation(count)[:SUBSET_SIZE] for _ in range(2)] for _ in range(_SUBSETS)]
        std = float(np.std([unbiased_mmd(sr[first], gt[second]) for first, second in draws]))
    return SetValue(value=unbiased_mmd(sr, gt), std=std, n=count)


def running_distance() -> Callable[[np.ndarray], float]:
    """Make a function that takes one image pair (2, d) after the other and returns n times the KID of the n so far."""
    gathered: list[np.ndarray] = []
    sums = np.zeros(3)

    def total_with(features: np.ndarray) -> float:
        sr, gt = features[:1], features[1:]
        if gathered:
            before = np.stack(gathered)
            sums[0] += 2 * polynomial_kernel(sr, before[:, 0]).sum()
            sums[1] += 2 * polynomial_kernel(gt, before[:, 1]).sum()
            sums[2] += polynomial_kernel(sr, before[:, 1]).sum()
            sums[2] += polynomial_kernel(before[:, 0], gt).sum()
        sums[2] += polynomial_kernel(sr, gt).sum()
        gathered.append(features)
        count = len(gathered)
        return count * mmd_from_sums(sums[0], sums[1], sums[2], count) if count > 1 else 0.0

    return total_with


def _load(*, device: torch.device) -> tuple[str, Compute]:
    """Load the Inception network; it resizes images to 299 x 299 and gives pool features (2048,)."""
    import torch_fidelity
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3
    from torchmetrics.image.fid import NoTrainInceptionV3

    with hub_file(URL_INCEPTION_V3, metric="kid"):
        network = NoTrainInceptionV3(name="inception-v3-compat", features_list=["2048"])
    network = network.to(device).eval()

    @torch.inference_mode()
    def extract(image: np.ndarray) -> np.ndarray:
        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        features: Tensor = network(planes.to(device).unsqueeze(0))[0]
        return features.float().cpu().numpy()

    versions = f"torchmetrics {torchmetrics.__version__}, torch-fidelity {torch_fidelity.__version__}"
    return f"{versions}, Inception v3 (2048), unbiased over all images", extract


METRICS = (
    Metric(
        name="kid",
        title="KID",
        better="lower",
        decimals=5,
        reads="8-bit RGB",
        package="torch_fidelity",
        extra="perceptual",
        description="Kernel inception distance between all SR and all GT images, unbiased, can be slightly negative; "
        "read it with the number of images n.",
        source="Binkowski et al. 2018",
        loader=_load,
        combine=kernel_distance,
        running=running_distance,
    ),
)
