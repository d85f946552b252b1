"""What a camera in orbit adds: optics with a known MTF, bands that do not fit, shot and read noise, stripes, haze."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segsr_arch.degradations.blur import LARGEST_KERNEL, Blur
from segsr_arch.degradations.kernels import KERNEL_SIZE, isotropic_kernel
from segsr_arch.degradations.step import Range, Signal, Step, drawn, ends, in_words
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import option

_HELD = 3  # standard deviations that a kernel reaches on each side


def mtf_sigma(nyquist: float, scale: int) -> float:
    """Give the Gaussian that passes a given part of the highest frequency of the LR image.

    The Fourier transform of a Gaussian of standard deviation sigma is exp(-2 pi^2 sigma^2 f^2); at the Nyquist
    frequency of the LR image, f = 1 / (2 scale) cycles an HR pixel, it is to be the modulation transfer function's
    value: sigma = scale / pi * sqrt(2 ln(1 / MTF)).

    Args:
        nyquist: Value of the MTF at the Nyquist frequency, above 0 and below 1.
        scale: From HR to LR.

    Returns:
        Standard deviation in HR pixels.
    """
    return scale / math.pi * math.sqrt(2 * math.log(1 / nyquist))


@dataclass(frozen=True, kw_only=True)
class MtfBlur(Blur):
    """Blur of a sensor whose MTF at the Nyquist frequency of the LR image is known."""

    name = "mtf"

    nyquist: Range = option((0.1, 0.3), help="MTF at the Nyquist frequency of the LR image", above=0, below=1)

    def for_scale(self, scale: int) -> "MtfBlur":
        """Give the kernel a side that holds the widest Gaussian, unless the option file says one.

        Raises:
            ConfigError: If it would be larger than kernels may be.
        """
        if self.size is not None:
            return self
        lowest, most = ends(self.nyquist)[0], LARGEST_KERNEL // 2
        reach = math.ceil(_HELD * mtf_sigma(lowest, scale))
        if reach > most:
            least = math.ceil(1e4 * math.exp(-((math.pi * most / _HELD / scale) ** 2) / 2)) / 1e4
            raise ConfigError(
                f"{self.section}: nyquist: {lowest:g} at scale {scale} needs a kernel of {2 * reach + 1} HR pixels, "
                f"but the largest is {LARGEST_KERNEL}; give {least:g} or more, or name the size, "
                f"which cuts it."
            )
        return replace(self, size=max(KERNEL_SIZE, 2 * reach + 1))

    def draw_kernel(self, rng: np.random.Generator, *, scale: int) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Draw the MTF at the Nyquist frequency, uniformly."""
        nyquist = drawn(self.nyquist, rng)
        sigma = mtf_sigma(nyquist, scale)
        return isotropic_kernel(sigma, size=self.kernel_size), {"nyquist": nyquist, "sigma": sigma}

    def words(self) -> str:
        """Say in words how sharp it is."""
        return f"blur by a Gaussian whose MTF at the LR image's Nyquist frequency is {in_words(self.nyquist)}"


@dataclass(frozen=True, kw_only=True)
class Misregistration(Step):
    """Bands that are shifted against each other by parts of a pixel; the mean of their shifts is zero."""

    name = "misregistration"
    stage = "blur"

    sigma: Range = option((0.0, 0.5), help="standard deviation of a shift along each axis", unit="HR pixels", minimum=0)

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Shift the bands by cubic splines; see :meth:`Step.applied`."""
        del scale
        sigma = drawn(self.sigma, rng)
        shifts = sigma * rng.standard_normal((signal.image.shape[2], 2))
        shifts -= shifts.mean(axis=0)
        bands = [
            ndimage.shift(signal.image[..., band], shift, order=3, mode="mirror") for band, shift in enumerate(shifts)
        ]
        image = np.stack(bands, axis=2)
        return replace(signal, image=image), {"sigma": sigma, "rows_columns": shifts.round(6).tolist()}

    def words(self) -> str:
        """Say in words how far."""
        return f"shift bands against each other, standard deviation {in_words(self.sigma, 'HR pixels')}"


@dataclass(frozen=True, kw_only=True)
class SensorNoise(Step):
    """Poisson noise of the photons, which grows with the signal, and Gaussian noise of the read-out."""

    name = "sensor-noise"
    stage = "noise"

    snr: Range = option(
        (40.0, 200.0), help="signal over photon noise at white: the root of its electrons", minimum=1, maximum=1e4
    )
    readout: Range = option(
        (0.0, 2.0), help="standard deviation of the read-out noise", unit="grey levels of 255", minimum=0, maximum=255
    )

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Add the noise; see :meth:`Step.applied`."""
        del scale
        snr, readout = drawn(self.snr, rng), drawn(self.readout, rng)
        electrons = snr**2 / 255  # of one grey level
        light = signal.image.clip(0, None)
        counted = rng.poisson(light * electrons) / electrons
        noisy = counted + readout * rng.standard_normal(light.shape, np.float32)
        variance = float(light.mean()) / electrons + readout**2
        return signal.with_noise(noisy.astype(np.float32), variance), {"snr": snr, "readout": readout}

    def words(self) -> str:
        """Say in words how strong it is."""
        return (
            f"add photon noise (signal-to-noise ratio {in_words(self.snr)} at white) and read-out noise of standard "
            f"deviation {in_words(self.readout, 'grey levels of 255')}"
        )


@dataclass(frozen=True, kw_only=True)
class Stripes(Step):
    """Detectors of a line camera that differ: each column of each band has an offset and a gain of its own."""

    name = "stripes"
    stage = "noise"

    offset: Range = option(
        (0.0, 1.0), help="standard deviation of the offsets", unit="grey levels of 255", minimum=0, maximum=255
    )
    gain: Range = option((0.0, 0.01), help="standard deviation of the gains, about 1", minimum=0, maximum=1)
    direction: str = option("columns", help="along what stripes run", choices=("columns", "rows"))

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Add the stripes; see :meth:`Step.applied`."""
        del scale
        offset, gain = drawn(self.offset, rng), drawn(self.gain, rng)
        height, width, bands = signal.image.shape
        shape = (1, width, bands) if self.direction == "columns" else (height, 1, bands)
        gains = 1 + gain * rng.standard_normal(shape, np.float32)
        offsets = offset * rng.standard_normal(shape, np.float32)
        striped = (signal.image * gains + offsets).astype(np.float32)
        variance = gain**2 * float(np.square(signal.image, dtype=np.float64).mean()) + offset**2
        return signal.with_noise(striped, variance), {"offset": offset, "gain": gain}

    def words(self) -> str:
        """Say in words how strong they are."""
        return (
            f"add stripes along {self.direction} of standard deviation {in_words(self.offset, 'grey levels of 255')} "
            f"and {in_words(self.gain)} of the signal"
        )


@dataclass(frozen=True, kw_only=True)
class Haze(Step):
    """Light that the air scatters in, the same over the whole image: t J + (1 - t) A."""

    name = "haze"
    stage = "air"

    transmission: Range = option((0.6, 1.0), help="part t of the ground's light that passes", above=0, maximum=1)
    airlight: Range = option(
        (180.0, 255.0), help="light A of the air", unit="grey levels of 255", minimum=0, maximum=1e4
    )

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Veil the image; see :meth:`Step.applied`."""
        del scale
        transmission, airlight = drawn(self.transmission, rng), drawn(self.airlight, rng)
        image = signal.image * np.float32(transmission) + np.float32((1 - transmission) * airlight)
        return replace(signal, image=image), {"transmission": transmission, "airlight": airlight}

    def words(self) -> str:
        """Say in words how dense it is."""
        return (
            f"add haze that lets {in_words(self.transmission)} of the light pass, with an air of "
            f"{in_words(self.airlight, 'grey levels of 255')}"
        )
