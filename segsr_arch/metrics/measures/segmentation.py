"""Segmentation mismatch: does the SR image fall into the same parts as the ground truth? A score of this package.

VLDM's paper reports a "segmentation mismatch score" (SMS) that it does not define; this is not that one. Both images
are segmented by the graph of Felzenszwalb and Huttenlocher (2004). Of each segment G of the ground truth the segment S
of the SR image counts that fits best, by intersection over union:

    1 - sum over G of |G| / (number of pixels) * max over S of |G and S| / |G or S|
"""

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from skimage.segmentation import felzenszwalb

from segsr_arch.metrics.metric import Metric, plain

SCALE = 100.0
"""Preference for large segments, as scikit-image has it."""
SIGMA = 0.8
"""Standard deviation of the blur before, in pixels."""
SMALLEST_SEGMENT = 64
"""Least pixels of a segment."""


def segments(image: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Segment an image.

    Args:
        image: (H, W, 3), RGB, uint8.

    Returns:
        (H, W), the number of the segment of each pixel, from 0.
    """
    found: NDArray[np.intp] = felzenszwalb(image, scale=SCALE, sigma=SIGMA, min_size=SMALLEST_SEGMENT)
    return found


def mismatch(of_gt: NDArray[np.intp], of_sr: NDArray[np.intp]) -> float:
    """Compare two segmentations.

    Args:
        of_gt: (H, W) numbers of the segments of the ground truth, from 0.
        of_sr: (H, W) those of the SR image; how segments are numbered does not matter.

    Returns:
        From 0, the same segments, to below 1.
    """
    shared = (
        coo_matrix((np.ones(of_gt.size), (of_gt.ravel(), of_sr.ravel()))).tocsr().tocoo()
    )  # sums what is there twice
    in_gt, in_sr = (np.bincount(numbers.ravel()) for numbers in (of_gt, of_sr))
    overlap = shared.data / (in_gt[shared.row] + in_sr[shared.col] - shared.data)
    best = np.zeros(len(in_gt))
    np.maximum.at(best, shared.row, overlap)
    return float(1 - (in_gt * best).sum() / of_gt.size)


def segmentation_mismatch(sr: NDArray[np.uint8], gt: NDArray[np.uint8]) -> float:
    """Segment two images (H, W, 3), RGB, uint8, and compare."""
    return mismatch(segments(gt), segments(sr))


METRICS = (
    Metric(
        name="segmentation_mismatch",
        title="Segmentation mismatch",
        better="lower",
        reads="8-bit RGB",
        description="1 less the area-weighted best intersection over union of the segments of ground truth and SR "
        "image; 0 if they fall into the same parts. A score of this package, not the SMS of VLDM's paper, which is "
        "defined nowhere.",
        source="segments: Felzenszwalb and Huttenlocher 2004",
        loader=plain(
            segmentation_mismatch,
            backend=f"segsr with scikit-image {version('scikit-image')}, felzenszwalb, scale {SCALE:g}, sigma "
            f"{SIGMA:g}, at least {SMALLEST_SEGMENT} pixels",
        ),
    ),
)
