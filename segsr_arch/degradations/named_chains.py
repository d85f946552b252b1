"""Chains of degradations that have a name, apart from what applies them: command lines offer them before that."""

from collections.abc import Mapping, Sequence
from typing import Any

NAMED_CHAINS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "iso": [{"type": "isotropic"}, {"type": "reduce"}],
    "aniso": [{"type": "anisotropic"}, {"type": "reduce"}, {"type": "noise"}],
    "second-order": [{"type": "second-order"}],
    "moderate": [
        {
            "type": "second-order",
            "sigma": [0.2, 2.0],
            "sigma2": [0.2, 0.6],
            "resize": [0.5, 1.2],
            "resize2": [0.8, 1.2],
            "noise": [0, 8],
            "noise2": [0, 5],
            "poisson": [0, 0.5],
            "poisson2": [0, 0.3],
            "quality": [70, 95],
            "quality2": [60, 95],
        }
    ],
    "sensor": [{"type": "mtf"}, {"type": "reduce", "how": "s-fold"}, {"type": "sensor-noise"}, {"type": "stripes"}],
}
"""What each stands for, as an option file would write it."""
BICUBIC = "bicubic"
"""What the reduction alone is called, where a chain could be named."""
