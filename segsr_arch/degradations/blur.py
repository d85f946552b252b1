"""Blur by Gaussians, before the reduction."""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segsr_arch.degradations.filtering import blurred
from segsr_arch.degradations.kernels import (
    KERNEL_SIZE,
    SIGMA_RANGES,
    anisotropic_kernel,
    isotropic_kernel,
)
from segsr_arch.degradations.step import Range, Signal, Step, drawn, ends, in_words
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import option

LARGEST_KERNEL = 101
"""Largest side of a kernel in HR pixels."""
_LEAST = 0.05  # below, a kernel is a delta, and its formula divides by almost nothing


@dataclass(frozen=True, kw_only=True)
class Blur(Step):
    """Base of steps that filter the HR image with a kernel.

    Raises:
        ConfigError: If ``size`` is even.
    """

    name = "blur"
    stage = "blur"

    size: int | None = option(
        None,
        help="side of the kernel, odd; by itself 21, or more for mtf",
        unit="HR pixels",
        minimum=3,
        maximum=LARGEST_KERNEL,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None and self.size % 2 == 0:
            raise ConfigError(f"{self.section}: size: must be odd, so that it has a middle, got {self.size}.")

    @property
    def kernel_size(self) -> int:
        """Side of the kernel in HR pixels."""
        return KERNEL_SIZE if self.size is None else self.size

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Blur the image; see :meth:`Step.applied`."""
        kernel, record = self.draw_kernel(rng, scale=scale)
        return signal.with_blur(blurred(signal.image, kernel), kernel), record

    @abstractmethod
    def draw_kernel(self, rng: np.random.Generator, *, scale: int) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Draw a kernel (size, size) of sum one, and say what was drawn."""


@dataclass(frozen=True, kw_only=True)
class IsotropicBlur(Blur):
    """A Gaussian of one width (IKC)."""

    name = "isotropic"

    sigma: Range | None = option(
        None,
        help="standard deviation; by itself [0.2, 2], [0.2, 3], [0.2, 4] for the scales 2, 3, 4",
        unit="HR pixels",
        minimum=_LEAST,
    )

    def for_scale(self, scale: int) -> "IsotropicBlur":
        """Fill in the published range.

        Raises:
            ConfigError: If there is none for the scale.
        """
        return replace(self, sigma=self._widths(scale))

    def _widths(self, scale: int) -> Range:
        if self.sigma is not None:
            return self.sigma
        if scale not in SIGMA_RANGES:
            known = ", ".join(map(str, SIGMA_RANGES))
            raise ConfigError(
                f"{self.section}: sigma: must be given for scale {scale}; ranges are published for the scales {known}."
            )
        return SIGMA_RANGES[scale]

    def draw_kernel(self, rng: np.random.Generator, *, scale: int) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Draw its width, uniformly."""
        sigma = drawn(self._widths(scale), rng)
        return isotropic_kernel(sigma, size=self.kernel_size), {"sigma": sigma}

    def words(self) -> str:
        """Say in words how wide it is."""
        width = "in the range of the scale" if self.sigma is None else in_words(self.sigma, "HR pixels")
        return f"blur by a Gaussian of standard deviation {width}"


@dataclass(frozen=True, kw_only=True)
class AnisotropicBlur(Blur):
    """A turned Gaussian of two widths (DRSR; IKC with ``draw: ikc``)."""

    name = "anisotropic"

    l1: Range = option((0.2, 4.0), help="standard deviation along theta", unit="HR pixels", minimum=_LEAST)
    l2: Range = option((0.2, 4.0), help="standard deviation across theta", unit="HR pixels", minimum=_LEAST)
    theta: Range = option((0.0, 1.0), help="angle in units of pi: 1 is half a turn", minimum=0, maximum=1)
    draw: str = option(
        "independent",
        help="how l2 is drawn: by itself, or, as IKC's code does, as l1 times a number from 0 to 3, clipped to l2",
        choices=("independent", "ikc"),
    )

    def draw_kernel(self, rng: np.random.Generator, *, scale: int) -> tuple[NDArray[np.float64], dict[str, Any]]:
        """Draw both widths and the angle, uniformly."""
        del scale
        l1 = drawn(self.l1, rng)
        l2 = float(np.clip(l1 * 3 * rng.random(), *ends(self.l2))) if self.draw == "ikc" else drawn(self.l2, rng)
        theta = drawn(self.theta, rng)
        kernel = anisotropic_kernel(l1, l2, theta * np.pi, size=self.kernel_size)
        return kernel, {"l1": l1, "l2": l2, "theta": theta}

    def words(self) -> str:
        """Say in words how wide it is, and how it is turned."""
        return (
            f"blur by a Gaussian of standard deviation {in_words(self.l1, 'HR pixels')} along and {in_words(self.l2)} "
            f"across the angle {in_words(self.theta, 'pi')}"
        )
