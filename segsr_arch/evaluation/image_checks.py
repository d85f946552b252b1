"""What an image must be to be measured; everything else gets a line that says what is wrong with it."""

from dataclasses import dataclass

import numpy as np

from segsr_arch.degradations.bicubic import mod_crop
from segsr_arch.errors import DataError
from segsr_arch.metrics.images import DATA_RANGES, size_text


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """The images of one place, all (H, W, 3) BGR, uint8 or uint16 alike.

    Attributes:
        sr: The method's image.
        gt: Ground truth of the same size, if there is one.
        lq: LR input, if there is one.
    """

    sr: np.ndarray
    gt: np.ndarray | None = None
    lq: np.ndarray | None = None


def _three_bands(image: np.ndarray, role: str) -> np.ndarray:
    """Repeat a grey image, as reading one does.

    Raises:
        DataError: If it is no image of one or three bands and 8 or 16 bits.
    """
    image = image.reshape(*image.shape[:2], -1)
    if image.dtype not in DATA_RANGES or image.shape[2] not in (1, 3):
        raise DataError(
            f"the {role} image has {image.shape[2]} bands of {image.dtype}; one or three bands of 8 or 16 bits can be "
            "measured"
        )
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image


def check_images(*, sr: np.ndarray, gt: np.ndarray | None, lq: np.ndarray | None, scale: int | None) -> Images:
    """Make sure that images can be compared.

    The ground truth may be larger than the SR image by what does not fill a whole LR pixel: that is cut at the right
    and lower edge, as it was when the LR image was made.

    Args:
        sr: The method's image, (H, W), (H, W, 1) or (H, W, 3).
        gt: Ground truth, or ``None``.
        lq: LR input, or ``None``.
        scale: Upscaling factor, or ``None`` if it is not known.

    Returns:
        The images, all of one depth and fitting each other.

    Raises:
        DataError: If they are of different sizes or depths, or one cannot be measured at all.
    """
    given = {role: image for role, image in (("SR", sr), ("GT", gt), ("LR", lq)) if image is not None}
    checked = {role: _three_bands(image, role) for role, image in given.items()}
    depths = {role: 8 * image.dtype.itemsize for role, image in checked.items()}
    if len(set(depths.values())) > 1:
        listed = ", ".join(f"{role} {bits}" for role, bits in depths.items())
        raise DataError(f"the images have different bits a sample ({listed}); save all with the same")
    sr, gt, lq = checked["SR"], checked.get("GT"), checked.get("LR")
    if gt is not None:
        whole = gt if scale is None else mod_crop(gt, scale)
        if sr.shape not in (gt.shape, whole.shape):
            raise DataError(
                f"the SR image has {size_text(sr)} pixels and the ground truth {size_text(gt)}; sizes must be equal"
            )
        gt = np.ascontiguousarray(gt[: sr.shape[0], : sr.shape[1]])
    if lq is not None and scale is not None and (lq.shape[0] * scale, lq.shape[1] * scale) != sr.shape[:2]:
        raise DataError(
            f"the LR image has {size_text(lq)} pixels and the SR image {size_text(sr)}, which is not x{scale}"
        )
    return Images(sr=sr, gt=gt, lq=lq)
