"""How a scene is cut into steps, so that memory depends on none of its sides: whole pixels, apart from any array."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from segsr_arch.windows import Window, WindowGrid

BLOCK = 512
"""Side of an output block in pixels, about: of a TIFF tile."""

STRIP_BLOCKS = 8
"""Blocks from the left to the right end of a strip, at most."""


def block_side(scale: int, *, longest: int) -> int:
    """Side of output blocks: a multiple of the scale, and of 16 as TIFF wants it, near :data:`BLOCK`.

    Args:
        scale: Scale of the network.
        longest: The longer side of the output in pixels: no block is much larger.
    """
    unit = math.lcm(16, scale)
    return min(max(BLOCK // unit, 1), -(-longest // unit)) * unit


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part of the scene that is written at once: one row of blocks of a strip.

    Attributes:
        number: Its place in the order of steps, from 0.
        inner: What is written, in LR pixels.
        outer: What must be known for that: with a halo around it, as far as the scene goes.
        first_row: Of the grid's rows of windows, the first that reaches into ``outer``.
        end_row: The row of windows after the last one that does.
        continues: Whether the step before is the one above: sums of windows are handed on.
    """

    number: int
    inner: Window
    outer: Window
    first_row: int
    end_row: int
    continues: bool


@dataclass(frozen=True, kw_only=True)
class SceneLayout:
    """A scene cut into strips from the left to the right, and each strip into steps from the top down.

    Windows are those of one grid over the whole scene. Those that reach into two strips are computed for both, so that
    no result depends on where strips end.

    Attributes:
        height: LR rows of the scene.
        width: LR columns of the scene.
        scale: Scale of the network.
        tile: Side of the windows in LR pixels.
        overlap: Least number of LR pixels that neighbouring windows share.
        halo: LR pixels that must be known around what is written.
    """

    height: int
    width: int
    scale: int
    tile: int
    overlap: int
    halo: int

    @cached_property
    def grid(self) -> WindowGrid:
        """The windows."""
        return WindowGrid(height=self.height, width=self.width, size=self.tile, overlap=self.overlap)

    @property
    def whole(self) -> Window:
        """The scene."""
        return Window(height=self.height, width=self.width)

    @cached_property
    def block(self) -> int:
        """Side of output blocks, in output pixels."""
        return block_side(self.scale, longest=max(self.height, self.width) * self.scale)

    @cached_property
    def strips(self) -> tuple[Window, ...]:
        """The strips, all but the last as wide as they may be: wide scenes take as much memory as wider ones."""
        side = STRIP_BLOCKS * self.block // self.scale
        edges = [*range(0, self.width, side), self.width]
        return tuple(
            Window(left=left, height=self.height, width=right - left)
            for left, right in zip(edges, edges[1:], strict=False)
        )

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.strips) * -(-self.height // (self.block // self.scale))

    def steps(self, start: int = 0) -> Iterator[Step]:
        """The steps from one on, in the order in which they are done; the first one continues none."""
        side = self.block // self.scale
        rows = range(0, self.height, side)
        for number in range(start, len(self)):
            strip, top = self.strips[number // len(rows)], rows[number % len(rows)]
            bottom = min(top + side, self.height)
            inner = Window(top=top, left=strip.left, height=bottom - top, width=strip.width)
            outer = inner.grown(self.halo, within=self.whole)
            first, end = _reaching(self.grid.tops, self.tile, outer.top, outer.bottom)
            yield Step(
                number=number,
                inner=inner,
                outer=outer,
                first_row=first,
                end_row=end,
                continues=number > start and top > 0,
            )

    def windows(self, row: int, outer: Window) -> list[Window]:
        """The windows of a row of the grid that reach into the columns of a step.

        Args:
            row: Number of the row of windows.
            outer: The step's window with its halo.
        """
        first, end = _reaching(self.grid.lefts, self.tile, outer.left, outer.right)
        height, width = min(self.tile, self.height), min(self.tile, self.width)
        top = self.grid.tops[row]
        return [Window(top=top, left=left, height=height, width=width) for left in self.grid.lefts[first:end]]

    def count_windows(self) -> int:
        """How many times a window is computed in all: more than the grid has where there is more than one strip."""
        steps = [step for step in self.steps() if step.inner.top == 0]
        return len(self.grid.tops) * sum(len(self.windows(0, step.outer)) for step in steps)


def _reaching(starts: tuple[int, ...], size: int, begin: int, end: int) -> tuple[int, int]:
    """First of the windows along an axis that reach into a range of pixels, and the one after the last."""
    reaching = [number for number, start in enumerate(starts) if start < end and start + size > begin]
    return reaching[0], reaching[-1] + 1
