"""What an image must be to be measured; everything else gets a line that says what is wrong with it."""

from dataclasses import dataclass

import numpy as np

from segsr_arch.data.lr_generation import mod_crop
from segsr_arch.errors import DataError

_WIDTHS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}


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


def check_channels(image: np.ndarray, role: str) -> np.ndarray:
    """Make sure that an image as it was stored can be measured.

    Args:
        image: (H, W) or (H, W, C) of any type.
        role: ``SR``, ``GT`` or ``LR``, for messages.

    Returns:
        (H, W, 3); a grey image is repeated, as BasicSR does.

    Raises:
        DataError: If it is of another depth, or has an alpha channel or other bands.
    """
    if image.dtype not in _WIDTHS:
        broken = int((~np.isfinite(image)).sum()) if image.dtype.kind == "f" else 0
        if broken:
            raise DataError(f"the {role} image holds NaN or infinity in {broken} of {image.size} values")
        raise DataError(f"the {role} image holds {image.dtype} samples; save it with 8 or 16 bits")
    if image.ndim == 2:
        image = image[..., None]
    if image.shape[2] == 1:
        return np.repeat(image, 3, axis=2)
    if image.shape[2] == 4:
        raise DataError(
            f"the {role} image has four channels (RGBA: an alpha channel, or near infrared), and only three would be "
            f"measured; save it as RGB"
        )
    if image.shape[2] != 3:
        raise DataError(f"the {role} image has {image.shape[2]} channels; three (RGB) or one (grey) can be measured")
    return image


def check_images(*, sr: np.ndarray, gt: np.ndarray | None, lq: np.ndarray | None, scale: int | None) -> Images:
    """Make sure that images can be compared.

    The ground truth may be larger than the SR image by what does not fill a whole LR pixel: that is cut at the right
    and lower edge, as it was when the LR image was made.

    Args:
        sr: The method's image, as it was stored.
        gt: Ground truth, as it was stored, or ``None``.
        lq: LR input, as it was stored, or ``None``.
        scale: Upscaling factor, or ``None`` if it is not known.

    Returns:
        The images, all of one depth and fitting each other.

    Raises:
        DataError: If they are of different sizes or depths, or one cannot be measured at all.
    """
    given = {role: image for role, image in (("SR", sr), ("GT", gt), ("LR", lq)) if image is not None}
    checked = {role: check_channels(image, role) for role, image in given.items()}
    depths = {role: _WIDTHS[image.dtype] for role, image in checked.items()}
    if len(set(depths.values())) > 1:
        listed = ", ".join(f"{role} {bits}" for role, bits in depths.items())
        raise DataError(f"the images have different bits a sample ({listed}); save all with the same")
    sr, gt, lq = checked["SR"], checked.get("GT"), checked.get("LR")
    if gt is not None:
        whole = gt if scale is None else mod_crop(gt, scale)
        if sr.shape not in (gt.shape, whole.shape):
            raise DataError(
                f"the SR image has {_size(sr)} pixels and the ground truth {_size(gt)}; sizes must be equal"
            )
        gt = np.ascontiguousarray(gt[: sr.shape[0], : sr.shape[1]])
    if lq is not None and scale is not None and (lq.shape[0] * scale, lq.shape[1] * scale) != sr.shape[:2]:
        raise DataError(f"the LR image has {_size(lq)} pixels and the SR image {_size(sr)}, which is not x{scale}")
    return Images(sr=sr, gt=gt, lq=lq)


def _size(image: np.ndarray) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
