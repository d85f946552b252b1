"""Places in images: windows and grids of them, in whole pixels and apart from any array."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from segsr_arch.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Window:
    """A rectangle of whole pixels within an image; operations return new ones.

    Attributes:
        top: Its first row, from 0.
        left: Its first column, from 0.
        height: Number of its rows, at least 1.
        width: Number of its columns, at least 1.

    Raises:
        ConfigError: If it begins outside of every image, or is empty.
    """

    top: int = 0
    left: int = 0
    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.top, self.left) < 0 or min(self.height, self.width) < 1:
            raise ConfigError(f"a window begins at 0 or later and has at least one pixel; got {self}")

    @property
    def bottom(self) -> int:
        """The row after its last one."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after its last one."""
        return self.left + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of an array (..., H, W): ``image[(..., *window.slices)]``."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def scaled(self, factor: int) -> "Window":
        """The same place in an image that is enlarged by a whole number."""
        return Window(
            top=self.top * factor, left=self.left * factor, height=self.height * factor, width=self.width * factor
        )

    def intersection(self, other: "Window") -> "Window | None":
        """What two windows of one image share; ``None`` if that is nothing."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        height, width = min(self.bottom, other.bottom) - top, min(self.right, other.right) - left
        return Window(top=top, left=left, height=height, width=width) if min(height, width) > 0 else None

    def shared_with(self, other: "Window") -> "tuple[tuple[slice, slice], tuple[slice, slice]] | None":
        """Rows and columns of what two windows of one image share, in an array of each: this one's first.

        Returns:
            ``array[(..., *own)]`` and ``other_array[(..., *others)]`` are the same pixels; ``None`` if there are none.
        """
        shared = self.intersection(other)
        return None if shared is None else (shared.relative_to(self).slices, shared.relative_to(other).slices)

    def grown(self, margin: int, *, within: "Window") -> "Window":
        """The window with a margin around it, as far as the one that it lies in goes.

        Args:
            margin: Pixels on each side.
            within: Window of the same image that holds this one, such as the whole image.
        """
        top, left = max(self.top - margin, within.top), max(self.left - margin, within.left)
        bottom, right = min(self.bottom + margin, within.bottom), min(self.right + margin, within.right)
        return Window(top=top, left=left, height=bottom - top, width=right - left)

    def relative_to(self, outer: "Window") -> "Window":
        """The same pixels, counted from the first row and column of a window that holds this one.

        Raises:
            ConfigError: If this one begins before the other.
        """
        return Window(top=self.top - outer.top, left=self.left - outer.left, height=self.height, width=self.width)


def window_starts(length: int, size: int, overlap: int) -> tuple[int, ...]:
    """First pixels of windows along one axis; the last window ends with the axis, all have the same size.

    Args:
        length: Pixels of the axis.
        size: Pixels of a window; an axis that is not longer is one window.
        overlap: Least number of pixels that neighbours share.
    """
    if length <= size:
        return (0,)
    return (*range(0, length - size, size - overlap), length - size)


@dataclass(frozen=True, kw_only=True)
class WindowGrid:
    """Overlapping windows of one size that cover an image, row by row from the top, each row from the left.

    Attributes:
        height: Rows of the image.
        width: Columns of the image.
        size: Side of a window, in pixels; where the image is smaller, its windows are as high or wide as it is.
        overlap: Least number of pixels that neighbours share, below ``size``.

    Raises:
        ConfigError: If there is no pixel to cover, or windows would not go on.
    """

    height: int
    width: int
    size: int
    overlap: int

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.size) < 1 or not 0 <= self.overlap < self.size:
            raise ConfigError(f"an image of at least one pixel is covered with an overlap below the size; got {self}")

    @property
    def tops(self) -> tuple[int, ...]:
        """First row of each row of windows: once a row of windows is done, no later one reaches above the next."""
        return window_starts(self.height, self.size, self.overlap)

    @property
    def lefts(self) -> tuple[int, ...]:
        """First column of each column of windows."""
        return window_starts(self.width, self.size, self.overlap)

    def __len__(self) -> int:
        return len(self.tops) * len(self.lefts)

    def __iter__(self) -> Iterator[Window]:
        height, width = min(self.size, self.height), min(self.size, self.width)
        for top, left in itertools.product(self.tops, self.lefts):
            yield Window(top=top, left=left, height=height, width=width)
