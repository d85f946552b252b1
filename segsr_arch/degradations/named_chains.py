"""Chains of degradations that have a name, apart from what applies them: command lines offer them before that."""

from collections.abc import Mapping, Sequence
from typing import Any

NAMED_CHAINS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "iso": [{"type": "isotropic"}, {"type": "reduce"}],
    "aniso": [{"type": "anisotropic"}, {"type": "reduce"}, {"type": "noise"}],
    "second-order": [{"type": "second-order"}],
    "sensor": [{"type": "mtf"}, {"type": "reduce", "how": "s-fold"}, {"type": "sensor-noise"}, {"type": "stripes"}],
}
"""What each stands for, as an option file would write it."""
BICUBIC = "bicubic"
"""What the reduction alone is called, where a chain could be named."""
