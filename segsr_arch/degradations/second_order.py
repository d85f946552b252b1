"""Second-order degradation: blur, resize, noise and JPEG, twice, as Real-ESRGAN trains.

Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data" (ICCVW 2021), section 3.
The kernels are those of BasicSR's functions; everything is drawn from the generator that is given.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from segsr_arch.degradations.compression import jpeg_coded
from segsr_arch.degradations.filtering import blurred
from segsr_arch.degradations.kernels import KERNEL_SIZE, resized_kernel
from segsr_arch.degradations.step import Range, Signal, Step, drawn, in_words
from segsr_arch.option_fields import option

_SIZES = range(7, KERNEL_SIZE + 1, 2)
_FAMILIES: Mapping[str, float] = {  # with how often they are drawn
    "isotropic": 0.45,
    "anisotropic": 0.25,
    "generalized isotropic": 0.12,
    "generalized anisotropic": 0.03,
    "plateau isotropic": 0.12,
    "plateau anisotropic": 0.03,
}
_BETAS = {"generalized": (0.5, 4.0), "plateau": (1.0, 2.0)}  # ranges of their shape
_INTERPOLATIONS = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}
# How often the image is enlarged, reduced, left alone; and the probabilities of the rest.
_RESIZED = ((0.2, 0.7, 0.1), (0.3, 0.4, 0.3))
_SINC, _SECOND_BLUR, _LAST_SINC, _GAUSSIAN, _GREY = 0.1, 0.8, 0.8, 0.5, 0.4


@dataclass(frozen=True, kw_only=True)
class SecondOrder(Step):
    """Blur, resize, noise, JPEG; blur, resize, noise; then LR size, a sinc filter and JPEG in either order.

    It is the whole of its chain's reduction. The kernel that it reports is that of the first blur.
    """

    name = "second-order"
    stage = "reduce"

    sigma: Range = option((0.2, 3.0), help="widths of the first blur", unit="HR pixels", minimum=0.05)
    sigma2: Range = option((0.2, 1.5), help="widths of the second blur", unit="pixels", minimum=0.05)
    resize: Range = option((0.15, 1.5), help="factors of the first resizing", minimum=0.05, maximum=4)
    resize2: Range = option((0.3, 1.2), help="factors of the second, on LR size", minimum=0.05, maximum=4)
    noise: Range = option((1.0, 30.0), help="first Gaussian noise", unit="grey levels of 255", minimum=0, maximum=255)
    noise2: Range = option((1.0, 25.0), help="second Gaussian noise", unit="grey levels of 255", minimum=0, maximum=255)
    poisson: Range = option((0.05, 3.0), help="scale of the first Poisson noise, in its place", minimum=0)
    poisson2: Range = option((0.05, 2.5), help="scale of the second Poisson noise, in its place", minimum=0)
    quality: Range = option((30.0, 95.0), help="quality of the first JPEG", minimum=1, maximum=100)
    quality2: Range = option((30.0, 95.0), help="quality of the last JPEG", minimum=1, maximum=100)

    @property
    def kernel_size(self) -> int:
        """Side of the largest kernel in HR pixels."""
        return KERNEL_SIZE

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Degrade the image twice; see :meth:`Step.applied`."""
        height, width = signal.image.shape[:2]
        lr_size = (height // scale, width // scale)
        kernel, first_blur = _mixed_kernel(rng, self.sigma)
        signal = signal.with_blur(blurred(signal.image, kernel), kernel)
        image, first_resize = _resized(signal.image, rng, (height, width), self.resize, _RESIZED[0])
        image, _, first_noise = _noisy(image, rng, self.noise, self.poisson)
        first_quality = round(drawn(self.quality, rng))
        image = jpeg_coded(image, first_quality)

        second_blur: dict[str, Any] = {"family": "none"}
        if rng.random() < _SECOND_BLUR:
            kernel, second_blur = _mixed_kernel(rng, self.sigma2)
            image = blurred(image, kernel)
        image, second_resize = _resized(image, rng, lr_size, self.resize2, _RESIZED[1])
        image, variance, second_noise = _noisy(image, rng, self.noise2, self.poisson2)

        last_sinc: dict[str, Any] = {"family": "none"}
        sinc = None
        if rng.random() < _LAST_SINC:
            sinc, last_sinc = _sinc_kernel(rng, math.pi / 3)
        last_quality = round(drawn(self.quality2, rng))
        jpeg_first = bool(rng.random() < 0.5)
        if jpeg_first:
            image = jpeg_coded(image, last_quality)
        image, last_resize = _at_size(image, rng, lr_size)
        if sinc is not None:
            image = blurred(image, sinc)
        if not jpeg_first:
            image = jpeg_coded(image, last_quality)
        record = {
            "first": {"blur": first_blur, "resize": first_resize, "noise": first_noise, "quality": first_quality},
            "second": {"blur": second_blur, "resize": second_resize, "noise": second_noise},
            "last": {"resize": last_resize, "sinc": last_sinc, "quality": last_quality, "jpeg_first": jpeg_first},
        }
        return signal.with_noise(image, variance), record

    def words(self) -> str:
        """Say in words what is done."""
        return (
            f"twice blur (standard deviation {in_words(self.sigma)}, then {in_words(self.sigma2)} pixels), resize "
            f"(factor {in_words(self.resize)}, then {in_words(self.resize2)}), add Gaussian noise (standard deviation "
            f"{in_words(self.noise)}, then {in_words(self.noise2)} grey levels of 255) or Poisson noise, and compress "
            f"by JPEG (quality {in_words(self.quality)}, then {in_words(self.quality2)}); reduce to LR size in between"
        )


def _mixed_kernel(rng: np.random.Generator, sigma: Range) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Draw a Gaussian, a generalized or plateau-shaped one, or a sinc filter."""
    if rng.random() < _SINC:
        return _sinc_kernel(rng, None)
    # Imported here: it brings torch and all data sets of BasicSR along, which no other step needs.
    from basicsr.data import degradations as basicsr

    size = int(rng.choice(_SIZES))
    family = str(rng.choice(list(_FAMILIES), p=list(_FAMILIES.values())))
    isotropic = not family.endswith("anisotropic")
    first, second = drawn(sigma, rng), drawn(sigma, rng)
    theta = drawn((-math.pi, math.pi), rng)
    record: dict[str, Any] = {"family": family, "size": size, "sigma": [first] if isotropic else [first, second]}
    shape = family.split()[0]
    widths = (size, first, first if isotropic else second, 0.0 if isotropic else theta)
    if not isotropic:
        record["theta"] = theta
    if shape in _BETAS:
        low, high = _BETAS[shape]
        # Half of them flatter than a Gaussian, half of them more pointed.
        record["beta"] = beta = drawn((low, 1.0) if rng.random() < 0.5 else (1.0, high), rng)
        draw = basicsr.bivariate_plateau if shape == "plateau" else basicsr.bivariate_generalized_Gaussian
        kernel = draw(*widths, beta, isotropic=isotropic)
    else:
        kernel = basicsr.bivariate_Gaussian(*widths, isotropic=isotropic)
    return resized_kernel(np.asarray(kernel, np.float64), size=KERNEL_SIZE), record


def _sinc_kernel(rng: np.random.Generator, least: float | None) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Draw a circular low-pass filter; the least cut-off frequency by itself depends on the size."""
    from basicsr.data import degradations as basicsr

    size = int(rng.choice(_SIZES))
    cutoff = drawn((least or (math.pi / 3 if size < 13 else math.pi / 5), math.pi), rng)
    kernel = basicsr.circular_lowpass_kernel(cutoff, size, pad_to=KERNEL_SIZE)
    return np.asarray(kernel, np.float64), {"family": "sinc", "size": size, "cutoff": cutoff}


def _resized(
    image: NDArray[np.float32],
    rng: np.random.Generator,
    base: tuple[int, int],
    factors: Range,
    probabilities: Sequence[float],
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Resize to a base size times a drawn factor."""
    low, high = factors if isinstance(factors, Sequence) else (factors, factors)
    way = int(rng.choice(3, p=probabilities))
    factor = drawn(((max(low, 1.0), max(high, 1.0)), (min(low, 1.0), min(high, 1.0)), (1.0, 1.0))[way], rng)
    height, width = (max(1, int(length * factor)) for length in base)
    resized, record = _at_size(image, rng, (height, width))
    return resized, record | {"factor": factor}


def _at_size(
    image: NDArray[np.float32], rng: np.random.Generator, size: tuple[int, int]
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Resize to (height, width) by an interpolation that is drawn."""
    name = str(rng.choice(list(_INTERPOLATIONS)))
    way = _INTERPOLATIONS[name]  # OpenCV resizes at most four bands at once
    bands = [cv2.resize(image[..., band], size[::-1], interpolation=way) for band in range(image.shape[2])]
    return np.stack(bands, axis=2).astype(np.float32), {"interpolation": name}


def _noisy(
    image: NDArray[np.float32], rng: np.random.Generator, sigmas: Range, scales: Range
) -> tuple[NDArray[np.float32], float, dict[str, Any]]:
    """Add Gaussian or Poisson noise, grey or of each band; returns its variance in squared grey levels, too."""
    gaussian, grey = bool(rng.random() < _GAUSSIAN), bool(rng.random() < _GREY)
    image = image.clip(0, 255)
    kind, amount = ("gaussian", drawn(sigmas, rng)) if gaussian else ("poisson", drawn(scales, rng))
    record = {"kind": kind, "amount": amount, "grey": grey}
    if gaussian:
        shape = (*image.shape[:2], 1 if grey else image.shape[2])
        noise, variance = amount * rng.standard_normal(shape, np.float32), amount**2
    else:
        light = image.mean(axis=2, keepdims=True) if grey else image
        values = np.rint(light)
        # As in the original: of as many photons as there are grey levels, rounded up to a power of two.
        photons = 2.0 ** math.ceil(math.log2(len(np.unique(values)))) / 255
        noise = amount * (rng.poisson(values * photons) / photons - values)
        variance = amount**2 * float(values.mean()) / photons
    return (image + noise).clip(0, 255).astype(np.float32), variance, record
