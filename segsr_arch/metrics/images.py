"""What every metric does with its images first: checking them, and bringing them into the form that it reads."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from segsr_arch.errors import DataError

# stored: the array as it is, (H, W, 3), B, G, R, uint8 or uint16; RGB: (1, 3, H, W), R, G, B, float32 in [0, 1] on the
# metric's device; 8-bit RGB: array (H, W, 3), R, G, B, uint8, rounded (65535 becomes 255)
ImageForm = Literal["stored", "RGB", "8-bit RGB"]
DATA_RANGES = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def data_range(image: np.ndarray) -> int:
    """Largest value that images of this type can have: 255 or 65535."""
    return DATA_RANGES[image.dtype]


def size_text(image: np.ndarray) -> str:
    """Height and width of an image (H, W, ...), for messages."""
    return f"{image.shape[0]} x {image.shape[1]}"


def check_image(image: np.ndarray, *, metric: str, which: str, smallest_side: int = 1) -> None:
    """Make sure that a metric can be computed on an image.

    Args:
        image: The image.
        metric: Name of the metric, for the message.
        which: ``SR``, ``GT`` or ``LQ``, for the message.
        smallest_side: Least height and width in pixels.

    Raises:
        DataError: If it is not (H, W, 3) of 8 or 16 bits, or too small.
    """
    if image.dtype not in DATA_RANGES or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            f"{metric}: the {which} image must be an (H, W, 3) array of uint8 or uint16, got {image.dtype} of shape "
            f"{image.shape}."
        )
    if min(image.shape[:2]) < smallest_side:
        raise DataError(
            f"{metric}: the {which} image has {size_text(image)} pixels, but this metric needs at least "
            f"{smallest_side} x {smallest_side}."
        )


def check_pair(sr: np.ndarray, gt: np.ndarray, *, metric: str, smallest_side: int = 1) -> None:
    """Make sure that two images can be compared.

    Args:
        sr: Super-resolved image.
        gt: Ground truth.
        metric: Name of the metric, for the message.
        smallest_side: Least height and width in pixels.

    Raises:
        DataError: If one is not (H, W, 3) of 8 or 16 bits, they differ in size or depth, or are too small.
    """
    check_image(sr, metric=metric, which="SR")
    check_image(gt, metric=metric, which="GT")
    if sr.shape != gt.shape:
        sizes = f"{size_text(sr)} pixels and the GT image {size_text(gt)}"
        raise DataError(f"{metric}: the SR image has {sizes}; sizes must agree.")
    check_depths(sr, gt, metric=metric, which="GT")
    check_image(sr, metric=metric, which="SR", smallest_side=smallest_side)


def check_depths(sr: np.ndarray, other: np.ndarray, *, metric: str, which: str) -> None:
    """Raise DataError if an SR image and the one that it is compared with differ in bits a sample."""
    if sr.dtype != other.dtype:
        bits = f"{8 * sr.dtype.itemsize} bits and the {which} image {8 * other.dtype.itemsize}"
        raise DataError(f"{metric}: the SR image has {bits}; depths must agree.")


def check_lq(sr: np.ndarray, lq: np.ndarray, scale: int, *, metric: str) -> None:
    """Raise DataError if an SR image is not of the depth of its LR image, or not exactly ``scale`` times as large."""
    check_depths(sr, lq, metric=metric, which="LR")
    if sr.shape[:2] != tuple(scale * side for side in lq.shape[:2]):
        raise DataError(
            f"{metric}: the SR image has {size_text(sr)} pixels, which is not {scale} times the {size_text(lq)} of the "
            f"LR image."
        )


def to_tensor(image: np.ndarray, *, device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """Turn an image (H, W, 3), B, G, R, of 8 or 16 bits into a batch (1, 3, H, W), R, G, B, in [0, 1]."""
    planes = np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)).astype(np.float64) / data_range(image)
    return torch.from_numpy(planes).to(device=device, dtype=dtype).unsqueeze(0)


def in_form(image: np.ndarray, form: ImageForm, device: torch.device) -> np.ndarray | Tensor:
    """Bring an image (H, W, 3), B, G, R, of 8 or 16 bits into the form that a metric reads."""
    if form == "RGB":
        return to_tensor(image, device=device)
    if form == "stored":
        return image
    narrow = image if image.dtype == np.uint8 else np.rint(image / 257.0).astype(np.uint8)
    return np.ascontiguousarray(narrow[..., ::-1])
