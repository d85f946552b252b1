"""What is published of the networks that are compared with SeG-SR, and a tiny one of each."""

from dataclasses import dataclass
from typing import Any

from tests.support import TINY_HAUNET, TINY_SPT


@dataclass(frozen=True, kw_only=True)
class Published:
    """Figures of a full-size network.

    Attributes:
        parameters: Millions, by scale.
        gmacs: Billions of multiply-accumulates at x4 for one LR image of 64 x 64.
        tiny: Constructor arguments of a tiny one, without the scale.
        strides: Side of a cell of each unit of the tiny one, in LR pixels.
    """

    parameters: dict[int, float]
    gmacs: float
    tiny: dict[str, Any]
    strides: tuple[int, ...]


PUBLISHED = {
    "HAUNet": Published(parameters={2: 2.63, 4: 2.66}, gmacs=39.0, tiny=TINY_HAUNET, strides=(1, 2, 4, 4, 2, 1)),
    "SPT": Published(parameters={2: 3.06, 4: 3.21}, gmacs=27.2, tiny=TINY_SPT, strides=(1, 1)),
}
