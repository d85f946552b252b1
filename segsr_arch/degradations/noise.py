"""Noise on the LR image."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from segsr_arch.degradations.step import Range, Signal, Step, drawn, in_words
from segsr_arch.option_fields import option


@dataclass(frozen=True, kw_only=True)
class GaussianNoise(Step):
    """White Gaussian noise, the same for every grey level."""

    name = "noise"
    stage = "noise"

    sigma: Range = option((0.0, 25.0), help="standard deviation", unit="grey levels of 255", minimum=0, maximum=255)
    clean: float = option(0.0, help="share of images that get none (IKC's code: 0.2)", minimum=0, maximum=1)
    grey: bool = option(False, help="the same noise in every band")

    def applied(self, signal: Signal, rng: np.random.Generator, *, scale: int) -> tuple[Signal, dict[str, Any]]:
        """Add the noise; see :meth:`Step.applied`."""
        del scale
        sigma = drawn(self.sigma, rng)
        if rng.random() < self.clean:
            sigma = 0.0
        height, width, bands = signal.image.shape
        field = rng.standard_normal((height, width, 1 if self.grey else bands), np.float32)
        return signal.with_noise(signal.image + np.float32(sigma) * field, sigma**2), {"sigma": sigma}

    def words(self) -> str:
        """Say in words how."""
        rest = f", none on {self.clean:.0%} of images" if self.clean else ""
        return f"add Gaussian noise of standard deviation {in_words(self.sigma, 'grey levels of 255')}{rest}"
