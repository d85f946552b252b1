"""Runs a network over a scene, window by window, and hands out what it gives step by step: in constant memory."""

import collections
import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor

from segsr_arch.inference.blending import BlendingWeights
from segsr_arch.scenes.layout import SceneLayout, Step
from segsr_arch.scenes.source.reader import SceneReader
from segsr_arch.scenes.source.scene import Scene
from segsr_arch.scenes.source.validity import fill_invalid
from segsr_arch.windows import Window

Network = Callable[[Tensor, Sequence[Window]], Tensor]
"""Maps tiles (N, 3, h, w) and their windows to (N, K, s h, s w)."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Row:
    """A row of windows: those that hold a valid pixel, and their pixels as the network takes them."""

    windows: list[Window]
    tiles: list[np.ndarray]  # (3, h, w) float32 each


class SceneTiles:
    """What a network is given of a scene: windows of it in the unit range, without invalid values.

    Args:
        scene: The scene. A reader of it is opened: whoever uses this from another thread makes one of their own.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._reader = SceneReader(scene)

    def read(self, window: Window) -> Tensor:
        """The pixels (3, h, w) of a window, float32; a grey scene's three times."""
        unit, valid = self.unit(window)
        return torch.from_numpy(as_rgb(fill_invalid(unit, valid)))

    def unit(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values and validity (1 or 3, h, w) of the network's bands, before invalid ones are filled."""
        bands = list(self._scene.network_bands)
        pixels = self._reader.read(window)
        return self._scene.radiometry.to_unit(pixels.values[bands], bands), pixels.valid[bands]

    def row(self, windows: Sequence[Window]) -> _Row:
        """The pixels of windows side by side, which are read at once."""
        first, last = windows[0], windows[-1]
        slab = Window(top=first.top, left=first.left, height=first.height, width=last.right - first.left)
        unit, valid = self.unit(slab)
        kept: list[Window] = []
        tiles: list[np.ndarray] = []
        for window in windows:
            part = (slice(None), *window.relative_to(slab).slices)
            if valid[part].any():
                kept.append(window)
                tiles.append(as_rgb(fill_invalid(unit[part], valid[part])))
        return _Row(windows=kept, tiles=tiles)

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()


def as_rgb(unit: np.ndarray) -> np.ndarray:
    """Three bands (3, h, w) of one or three."""
    return unit if unit.shape[0] == 3 else np.repeat(unit, 3, axis=0)


def super_resolved_steps(
    scene: Scene,
    network: Network,
    layout: SceneLayout,
    *,
    channels: int,
    start: int = 0,
    batch: int = 1,
    dtype: type[np.floating] = np.float32,
    advance: Callable[[int], object] = lambda _pixels: None,
) -> Iterator[tuple[Step, np.ndarray]]:
    """Run a network over a scene from one step on; the next rows of windows are read while it computes.

    Args:
        scene: The scene.
        network: The network. It is called from this thread.
        layout: How the scene is cut.
        channels: Channels K that the network gives.
        start: First step that is wanted.
        batch: Windows for which the network is called at once.
        dtype: Type of the sums: in float64 the mean of equal float32 numbers is that number.
        advance: Is told of LR pixels that are done.

    Yields:
        Each step, and what the network gave for its ``outer`` window: (K, s h, s w); zeros where no window was valid.
        It stays until two steps more are asked for.
    """
    weights = BlendingWeights(layout.grid, scale=layout.scale)
    plan = list(_new_rows(layout, start))
    wanted = (layout.windows(row, step.outer) for step, rows in plan for row in rows)
    canvas = _Canvas(layout, channels=channels, dtype=dtype)
    with contextlib.closing(SceneTiles(scene)) as tiles, ThreadPoolExecutor(1, "read") as executor:
        coming = in_advance(executor, tiles.row, wanted)
        for step, rows in plan:
            canvas.move_to(step)
            told, pixels = 0, step.inner.height * step.inner.width
            for done, row in enumerate(itertools.islice(coming, len(rows)), 1):
                for first in range(0, len(row.windows), batch):
                    windows = row.windows[first : first + batch]
                    sr = network(torch.from_numpy(np.stack(row.tiles[first : first + batch])), windows)
                    for window, one in zip(windows, sr.numpy(), strict=True):
                        canvas.add(one, window.scaled(layout.scale), weights.at(window).numpy())
                    part = pixels * (done - 1 + (first + len(windows)) / len(row.windows)) / len(rows)
                    advance(int(part) - told)
                    told = int(part)
            advance(pixels - told)
            yield step, canvas.of(step)


def _new_rows(layout: SceneLayout, start: int) -> Iterator[tuple[Step, range]]:
    """Steps, and the rows of windows that are computed for each: what the one above has computed is handed on."""
    end = 0
    for step in layout.steps(start):
        yield step, range(end if step.continues else step.first_row, step.end_row)
        end = step.end_row


def in_advance(
    executor: Executor, function: Callable[[_Item], _Result], items: Iterable[_Item], *, count: int = 2
) -> Iterator[_Result]:
    """Results of a function, in order, which an executor computes before they are asked for.

    Args:
        executor: Where it runs. What was begun is waited for when the executor is left.
        function: The function; what it raises is raised here.
        items: What it is called with; they are taken from this thread.
        count: Results that are begun before they are asked for.
    """
    remaining = iter(items)
    begun = collections.deque(executor.submit(function, item) for item in itertools.islice(remaining, count))
    while begun:
        result = begun.popleft().result()
        begun.extend(executor.submit(function, item) for item in itertools.islice(remaining, 1))
        yield result


class _Canvas:
    """The sums of the windows of a strip that are not yet complete: it moves down from step to step.

    Two pieces of memory take turns: what a step gives is read from the one while the next is summed up in the other.
    Sums are OpenCV's, which adds a product in one pass: torch would wake all its threads for every tile, which then
    keep the cores from reading and writing.
    """

    def __init__(self, layout: SceneLayout, *, channels: int, dtype: type[np.floating]) -> None:
        self._layout = layout
        side = layout.block // layout.scale
        rows = (side + 2 * layout.halo + layout.tile) * layout.scale  # windows reach below what they are for
        widest = max(strip.grown(layout.halo, within=layout.whole).width for strip in layout.strips) * layout.scale
        self._memory, self._other = (np.zeros(channels * rows * widest, dtype) for _ in range(2))
        self._shape = channels, rows
        self._sums = self._memory.reshape(*self._shape, widest)
        self._place = Window(height=1, width=1)

    def move_to(self, step: Step) -> None:
        """Begin with a step: keep of the one above what the two share."""
        outer, above = step.outer.scaled(self._layout.scale), self._sums
        rows = self._shape[-1]
        self._memory, self._other = self._other, self._memory
        self._sums = self._memory[: math.prod(self._shape) * outer.width].reshape(*self._shape, outer.width)
        kept = 0
        if step.continues:
            kept = max(rows - (outer.top - self._place.top), 0)
            self._sums[:, :kept] = above[:, rows - kept :]
        self._sums[:, kept:] = 0
        self._place = Window(top=outer.top, left=outer.left, height=rows, width=outer.width)

    def add(self, sr: np.ndarray, window: Window, weights: np.ndarray) -> None:
        """Add a tile (K, h, w), times its weights (h, w), both float32, whose window is in pixels of the output."""
        shared = window.shared_with(self._place)
        if shared is not None:
            inside, within = shared
            for plane, sums in zip(sr, self._sums, strict=True):
                cv2.accumulateProduct(plane[inside], weights[inside], sums[within])

    def of(self, step: Step) -> np.ndarray:
        """The sums (K, h, w) of a step's outer window; they stay until the step after the next one begins."""
        return self._sums[:, : step.outer.height * self._layout.scale]
