"""Degraded LR images of a fixed test set, and the file beside each that says how it was made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segsr_arch.degradations.chain import Chain
from segsr_arch.degradations.named_chains import NAMED_CHAINS
from segsr_arch.degradations.seeding import generator_of


@dataclass(frozen=True)
class FixedDegradation:
    """A chain whose random numbers follow from a seed and the name of each image, and from nothing else.

    Attributes:
        given: Name of a chain or list of steps, as :meth:`~segsr_arch.degradations.chain.Chain.read` takes it.
        seed: At least 0.
    """

    given: str | Sequence[Mapping[str, Any]]
    seed: int = 0

    def chain(self, scale: int) -> Chain:
        """Read the chain for a scale.

        Raises:
            ConfigError: If it is none that can be made there.
        """
        return Chain.read(self.given, scale=scale)

    def as_record(self) -> dict[str, Any]:
        """Give the steps and the seed as what JSON can hold; a chain's name is written as what it stands for."""
        steps = NAMED_CHAINS[self.given] if isinstance(self.given, str) else self.given
        return {"steps": [dict(step) for step in steps], "seed": self.seed}

    def make(self, hr: np.ndarray, *, scale: int, name: str) -> tuple[np.ndarray, bytes]:
        """Degrade an image.

        Args:
            hr: (H, W, 3) RGB uint8; H and W are multiples of the scale.
            scale: From HR to LR.
            name: The image's name in the prepared data set.

        Returns:
            (H / scale, W / scale, 3) uint8, and the content of the file beside it: JSON with what was drawn, the
            kernel row by row (float32), the standard deviation of the noise in grey levels of 255, and the seed.
        """
        chain = self.chain(scale)
        made = chain.apply(hr, generator_of(name, scale=scale, seed=self.seed))
        facts = {
            "image": name,
            "degradation": chain.words(),
            "seed": self.seed,
            **made.record,
            "noise": made.noise,
            # str of a float32 is its shortest decimal form, a third of that of the same number as a float64
            "kernel": [[float(str(value)) for value in row] for row in made.kernel],
        }
        return made.lq, (json.dumps(facts) + "\n").encode()
