"""One step of a degradation: a dataclass whose fields are what an option file may say of it.

A value may be a number, or a range ``[low, high]`` from which each image draws its own, uniformly.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segsr_arch.degradations.kernels import convolved
from segsr_arch.errors import ConfigError
from segsr_arch.option_fields import OptionGroup, keys_of

STAGES = ("air", "blur", "reduce", "noise", "compress")
"""In this order light becomes a file; steps of a chain must keep to it."""
Range = float | Sequence[float]
"""A number, or the two ends between which one is drawn for each image."""


@dataclass(frozen=True, kw_only=True)
class Signal:
    """An image on its way through a chain.

    Attributes:
        image: (H, W, C) in grey levels of 0 to 255, neither rounded nor clipped.
        kernel: (k, k) of all blurs so far, in HR pixels; ``None`` before the first.
        variance: Of all noise so far, mean over the image, in squared grey levels.
        dtype: Type of the image that is to be made.
    """

    image: NDArray[np.float32]
    dtype: np.dtype[Any]
    kernel: NDArray[np.float64] | None = None
    variance: float = 0.0

    def with_blur(self, image: NDArray[np.float32], kernel: NDArray[np.float64]) -> "Signal":
        """Replace the image by one that a kernel made of it."""
        if self.kernel is not None:
            kernel = convolved(self.kernel, kernel, size=max(len(kernel), len(self.kernel)))
        return replace(self, image=image, kernel=kernel)

    def with_noise(self, image: NDArray[np.float32], variance: float) -> "Signal":
        """Replace the image by one that has noise of a variance, in squared grey levels, besides."""
        return replace(self, image=image, variance=self.variance + variance)


@dataclass(frozen=True, kw_only=True)
class Step(OptionGroup, ABC):
    """Base of all steps.

    Attributes:
        name: What ``type:`` calls it.
        stage: Where in a chain it belongs, of :data:`STAGES`.
        kernel_size: Side of its kernel in HR pixels; 0 if it has none.

    Raises:
        ConfigError: If a value is of the wrong kind, out of range, or no range.
    """

    name: ClassVar[str]
    stage: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.section = f"degradation: {cls.name}"

    def __post_init__(self) -> None:
        super().__post_init__()
        group: type = type(self)
        for name, key in keys_of(group).items():
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)):
                continue
            single = replace(key, kind="number")
            if len(value) != 2 or not all(single.fits(end) for end in value) or value[0] > value[1]:
                raise ConfigError(f"{self.section}: {name}: a range is [low, high], two numbers, got {value!r}.")
            broken = [bound for end in value for bound in key.exceeded(end)]
            if broken:
                raise ConfigError(f"{self.section}: {name}: both ends must be {broken[0]}, got {value!r}.")

    @property
    def kernel_size(self) -> int:
        """Side of its kernel in HR pixels; 0 if it has none."""
        return 0

    def for_scale(self, scale: int) -> "Step":
        """Fill in what depends on the scale.

        Raises:
            ConfigError: If nothing is known for the scale, and the option file does not say it.
        """
        del scale
        return self

    @abstractmethod
    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Do it.

        Args:
            signal: What the steps before have made.
            rng: From which everything is drawn that is random.
            scale: From HR to LR.

        Returns:
            A new signal, and what was drawn, as JSON can hold it.
        """

    @abstractmethod
    def words(self) -> str:
        """Say in words what it does, and with what."""


def ends(value: Range) -> tuple[float, float]:
    """Both ends of a range; a number is both."""
    low, high = value if isinstance(value, Sequence) else (value, value)
    return low, high


def drawn(value: Range, rng: np.random.Generator) -> float:
    """Draw from a range; of a number, itself. The generator advances in either case."""
    low, high = ends(value)
    return float(low + (high - low) * rng.random())


def in_words(value: Range, unit: str = "") -> str:
    """Write a number or a range: ``0.2 to 4 HR pixels``."""
    numbers = dict.fromkeys(f"{end:g}" for end in ends(value))
    return " ".join([" to ".join(numbers), unit]).strip()
