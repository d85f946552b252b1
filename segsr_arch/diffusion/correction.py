"""What the LR image knows is taken from it: colour and low frequencies of a generated image.

``wavelet`` exchanges low frequencies for those of the enlarged LR image. ``consistent`` finds the nearest image whose
bicubic reduction is the LR image (:mod:`segsr_arch.degradations.bicubic_operator`), exactly, or as far as a noisy LR
image can be trusted.
"""

from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from segsr_arch.degradations import bicubic_operator as operator
from segsr_arch.degradations.bicubic import MAX_SCALE
from segsr_arch.errors import ConfigError, DataError
from segsr_arch.known_names import nearest_hint

Correction = Literal["wavelet", "consistent", "none"]
# The binomial filter, 1 2 4 8 16 pixels apart one after the other: a standard deviation of 13 pixels.
_WAVELET_LEVELS = 5


def check_correction(kind: str, *, scale: int) -> None:
    """Find out at once whether a kind of correction is known, and can be had at a scale.

    Raises:
        ConfigError: If not.
    """
    if kind not in get_args(Correction):
        hint = nearest_hint(kind, get_args(Correction)) or f"; known are: {', '.join(get_args(Correction))}"
        raise ConfigError(f"correction: {kind} is not known{hint}")
    if kind == "consistent" and not 2 <= scale <= MAX_SCALE:
        raise ConfigError(
            f"correction: consistent takes scales from 2 to {MAX_SCALE}, got {scale}; set correction: wavelet or none."
        )


def corrected(sr: Tensor, lq: Tensor, *, kind: Correction, scale: int, noise: float = 0.0) -> Tensor:
    """Correct generated images by the LR images that they were generated from.

    It is computed in float32 at least, whatever autocast there is.

    Args:
        sr: Generated images (B, C, scale * H, scale * W), RGB in [0, 1].
        lq: LR images (B, C, H, W), RGB in [0, 1].
        kind: ``wavelet``, ``consistent`` or ``none``.
        scale: Whole number, for ``consistent`` from 2 to 16.
        noise: Standard deviation of the noise of the LR images, in units of 255, which ``consistent`` then does not
            bring into the result. How far the generated images are off, against which it is weighed, is taken from
            each residual: its variance is that of the noise and of the reduced errors.

    Returns:
        Corrected images of the same shape and type, which may leave [0, 1] a little: cut to it, they would no longer be
        consistent.

    Raises:
        ConfigError: If the kind is not known or cannot be had at the scale, or the noise is below 0.
        DataError: If the sizes do not fit.
    """
    check_correction(kind, scale=scale)
    if noise < 0:
        raise ConfigError(f"correction: the noise of an LR image is at least 0, got {noise:g}")
    if sr.shape != (*lq.shape[:2], scale * lq.shape[2], scale * lq.shape[3]):
        raise DataError(f"images of shape {tuple(sr.shape)} are not {scale} times those of shape {tuple(lq.shape)}")
    if kind == "none":
        return sr
    if kind == "wavelet":
        with torch.autocast(sr.device.type, enabled=False):
            images = sr.float()
            enlarged = functional.interpolate(lq.float(), scale_factor=scale, mode="bicubic").to(images)
            return (images - _low_frequencies(images) + _low_frequencies(enlarged)).to(sr)
    generated, references = (tensor.detach().cpu().double().numpy() for tensor in (sr, lq))
    residuals = references - operator.reduce_bicubic(generated, scale)
    if noise == 0:
        projected = operator.project(generated, residuals, scale)
    else:
        pairs = zip(generated, residuals, strict=True)
        projected = np.stack([_projected_noisy(image, residual, scale, noise / 255) for image, residual in pairs])
    return torch.from_numpy(projected).to(sr)


def _projected_noisy(image: np.ndarray, residual: np.ndarray, scale: int, noise: float) -> np.ndarray:
    """Project one image (C, H, W) as far as its residual is more than noise of a standard deviation in [0, 1]."""
    rows, columns = (operator.gram_eigenvalues(length, scale).mean() for length in residual.shape[-2:])
    errors = (np.square(residual).mean() - noise**2) / (rows * columns)
    if errors <= 0:
        return image
    return np.asarray(operator.project_noisy(image, residual, scale, weight=noise**2 / errors))


def _low_frequencies(images: Tensor) -> Tensor:
    """The coarsest scale of an undecimated wavelet transform: (B, C, H, W) -> the same shape."""
    channels = images.shape[1]
    taps = torch.tensor([0.25, 0.5, 0.25]).to(images)
    kernel = torch.outer(taps, taps).expand(channels, 1, 3, 3)
    for level in range(_WAVELET_LEVELS):
        apart = 2**level
        padded = functional.pad(images, (apart,) * 4, mode="replicate")
        images = functional.conv2d(padded, kernel, dilation=apart, groups=channels)
    return images
