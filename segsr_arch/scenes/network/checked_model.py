"""A model of scenes whose every output is looked at, and which does less at once where memory does not suffice."""

import logging
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from segsr_arch.errors import ConfigError, DataError
from segsr_arch.inference.super_resolution import check_finite, super_resolve
from segsr_arch.inference.tile_options import TileOptions
from segsr_arch.running.memory import attempted
from segsr_arch.scenes.network.scene_model import ModelAround, SceneModel
from segsr_arch.scenes.network.symmetries import place_before
from segsr_arch.windows import Window, WindowGrid

logger = logging.getLogger(__name__)

_SMALLEST = 8  # side of a tile, in LR pixels


class CheckedModel(ModelAround):
    """Looks at the size of each output and for NaN, and never leaves a hole.

    Where memory does not suffice, fewer tiles are given to the model at once; where it does not suffice for one, that
    is done in overlapping parts, which are blended. What was found to fit holds for all further tiles.

    Args:
        inner: The model.
    """

    def __init__(self, inner: SceneModel) -> None:
        super().__init__(inner)
        self._together: int | None = None
        self._side: int | None = None
        self._warned = False

    def for_scene(self, read: Callable[[Window], Tensor], *, height: int, width: int) -> "CheckedModel":
        """Let the inner model get ready."""
        return CheckedModel(self.inner.for_scene(read, height=height, width=width))

    def __call__(self, tiles: Tensor, windows: Sequence[Window], *, symmetry: int = 0) -> Tensor:
        """Super-resolve tiles, as any scene model.

        Raises:
            DataError: If the output is not finite, and where; or if memory suffices for no part of a tile.
            ConfigError: If the output has another size than it must have.
        """
        done: list[Tensor] = []
        start, reduced = 0, False
        while start < len(tiles):
            now = slice(start, start + (self._together or len(tiles)))
            sr, complaint = attempted(partial(self._run, tiles[now], windows[now], symmetry))
            if sr is None:
                self._reduce(tiles[now], complaint)
                reduced = True
            else:
                done.append(sr)
                start += len(sr)
        if reduced and not self._warned:
            self._warned = True
            logger.warning("%s: %s.", self.name, self.reduction)
        return done[0] if len(done) == 1 else torch.cat(done)

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the inner one, and what memory did not suffice for."""
        return self.inner.notes if self.reduction is None else (*self.inner.notes, f"{self.name}: {self.reduction}")

    @property
    def reduction(self) -> str | None:
        """What is done less of at once than was asked for; ``None`` if memory has sufficed."""
        if self._together is None:
            return None
        if self._side is None:
            return f"memory does not suffice for as many tiles at once: going on with {self._together}"
        return (
            f"memory does not suffice for a tile: each is done in overlapping parts of {self._side} x {self._side} "
            "LR pixels, which changes the result a little; a smaller --tile makes it independent of memory"
        )

    def _reduce(self, tiles: Tensor, complaint: str) -> None:
        if len(tiles) > 1:
            self._together = len(tiles) // 2
            return
        self._together = 1
        longest = max(tiles.shape[-2:])
        side = -(-min(self._side or longest, longest) // 2)
        if side < _SMALLEST:
            raise DataError(
                f"{self.name}: memory does not suffice, not even for {2 * side} x {2 * side} LR pixels at once "
                f"({complaint}). Free memory, or use --device cpu or another model."
            )
        self._side = side

    def _run(self, tiles: Tensor, windows: Sequence[Window], symmetry: int) -> Tensor:
        if self._side is None or self._side >= max(tiles.shape[-2:]):
            return self._checked(tiles, windows, symmetry)
        height, width = tiles.shape[-2:]
        options = TileOptions(size=self._side, overlap=self._side // 4)
        parts = iter(WindowGrid(height=height, width=width, size=options.size, overlap=options.overlap))

        def run(tile: Tensor) -> Tensor:  # called for one part after the other, of the one tile that there is
            part = next(parts)
            return self._checked(tile, [place_before(part, window, symmetry) for window in windows], symmetry)

        return super_resolve(run, tiles, scale=self.scale, tile=options)

    def _checked(self, tiles: Tensor, windows: Sequence[Window], symmetry: int) -> Tensor:
        sr = self.inner(tiles, windows, symmetry=symmetry)
        count, _, height, width = tiles.shape
        expected = (count, 3 + self.extra, self.scale * height, self.scale * width)
        if tuple(sr.shape) != expected:
            raise ConfigError(
                f"{self.name}: gives {tuple(sr.shape)} for tiles {tuple(tiles.shape)}; expected {expected}, (B, C, H, "
                f"W), at scale {self.scale}."
            )
        if not torch.isfinite(sr.sum()):  # one pass; NaN and infinity stay in a sum, which may also overflow
            for tile, window in zip(sr, windows, strict=True):
                try:
                    check_finite(tile)
                except DataError as error:
                    raise DataError(f"{self.name}: {error}, in the tile of {_in_words(window)}.") from error
        return sr


def _in_words(window: Window) -> str:
    return f"LR rows {window.top} to {window.bottom - 1} and columns {window.left} to {window.right - 1}"
