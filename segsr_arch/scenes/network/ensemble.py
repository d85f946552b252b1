"""A model asked eight times, and how much its answers differ."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from segsr_arch.scenes.network import symmetries
from segsr_arch.scenes.network.scene_model import ModelAround, SceneModel
from segsr_arch.windows import Window


class Ensemble(ModelAround):
    """The mean of a model's answers to the eight flips and rotations of each tile, and their spread.

    R. Timofte, R. Rothe, L. Van Gool: Seven ways to improve example-based single image super resolution (CVPR 2016),
    "enhanced prediction". The spread is one more channel: the standard deviation of the eight (of which there are no
    more, so divided by eight), mean over red, green and blue, in the unit of the answers. A model that turns with its
    input, such as bicubic interpolation, has none.

    Args:
        inner: The model. What it gives besides the three colours is averaged, too, and stays in front of the spread.
    """

    @property
    def extra(self) -> int:
        """One channel more than those of the inner one."""
        return self.inner.extra + 1

    @property
    def identity(self) -> Mapping[str, Any]:
        """That of the inner one, and that it is asked eight times."""
        return {**self.inner.identity, "ensemble": symmetries.COUNT}

    def __call__(self, tiles: Tensor, windows: Sequence[Window], *, symmetry: int = 0) -> Tensor:
        """Super-resolve tiles; see :class:`~segsr_arch.scenes.network.scene_model.SceneModel`."""
        tiles = symmetries.turned_back(tiles, symmetry).contiguous()
        first = self.inner(tiles, windows)
        # Sums of differences from the first answer: no precision is lost where the eight hardly differ.
        total, squares = torch.zeros_like(first), torch.zeros_like(first[:, :3])
        for turn in range(1, symmetries.COUNT):
            answer = self.inner(symmetries.turned(tiles, turn).contiguous(), windows, symmetry=turn)
            difference = symmetries.turned_back(answer, turn) - first
            total += difference
            squares += difference[:, :3] ** 2
        mean = total / symmetries.COUNT
        variance = squares / symmetries.COUNT - mean[:, :3] ** 2
        spread = variance.clamp(min=0).sqrt().mean(dim=1, keepdim=True)
        return symmetries.turned(torch.cat([first + mean, spread], dim=1), symmetry).contiguous()

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> SceneModel:
        """The ensemble of what the inner one is for a scene."""
        return Ensemble(self.inner.for_scene(read, height=height, width=width))
