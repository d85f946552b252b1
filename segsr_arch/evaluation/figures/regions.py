"""The region of an image that is enlarged: where it is, and how one is found."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from segsr_arch.errors import ConfigError, DataError

_SHARE = 4  # of the shorter side
_LEAST, _MOST = 16, 128  # pixels
_LONGEST = 3  # times the other side


@dataclass(frozen=True, kw_only=True)
class Region:
    """A rectangle in HR pixels.

    Attributes:
        x: Left edge, from 0.
        y: Upper edge, from 0.
        width: In pixels.
        height: In pixels.
    """

    x: int
    y: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width} × {self.height} pixels at ({self.x}, {self.y})"

    def check(self, shape: tuple[int, ...], name: str) -> "Region":
        """Make sure that it lies in an image.

        Args:
            shape: Height and width of the image first.
            name: Name of the image, for the message.

        Returns:
            The region itself.

        Raises:
            ConfigError: If not, or if it is more than three times as long in one direction as in the other.
        """
        height, width = shape[:2]
        given = f"--region {self.x} {self.y} {self.width} {self.height}"
        if min(self.width, self.height) < 1 or min(self.x, self.y) < 0:
            raise ConfigError(f"{given}: x and y must be at least 0, width and height at least 1.")
        if self.x + self.width > width or self.y + self.height > height:
            raise ConfigError(
                f"{given}: does not lie in {name}, which is {width} pixels wide and {height} high "
                f"(the region ends at {self.x + self.width}, {self.y + self.height})."
            )
        if max(self.width, self.height) > _LONGEST * min(self.width, self.height):
            raise ConfigError(f"{given}: is more than {_LONGEST} times as long as wide; its pictures would not fit.")
        return self


def region_size(shape: tuple[int, ...], scale: int) -> tuple[int, int]:
    """Height and width of an automatic region: a square of a quarter of the shorter side, 16 to 128 pixels.

    Args:
        shape: Height and width of the image first.
        scale: The sides are multiples of it, as far as the image allows.

    Returns:
        Height and width in pixels, not larger than the image.
    """
    side = min(max(min(shape[:2]) // _SHARE, _LEAST), _MOST)
    side = max(side // scale, 1) * scale
    return min(side, shape[0]), min(side, shape[1])


def find_region(gt: np.ndarray, methods: Sequence[np.ndarray], *, scale: int) -> Region:
    """Find where methods differ most.

    For each method the squared error against the ground truth is averaged over the window and the colours, less the
    part that is one offset of each colour: what differs shall be structures, not brightness. Of all windows, that one
    is taken in which the largest and the smallest of these values lie furthest apart. Windows lie on
    the grid of LR pixels and leave out a border of the scale, as most protocols do, where there is room. The first of
    equal ones is taken, from the upper left, so that the same images always give the same region.

    Args:
        gt: Ground truth (H, W, 3).
        methods: Images of at least two methods, of the same shape.
        scale: Side of an LR pixel in HR pixels.

    Returns:
        The region.

    Raises:
        DataError: If there are fewer than two methods, or sizes differ.
    """
    if len(methods) < 2:
        raise DataError("A region where methods differ needs at least two methods; give one as --region X Y W H.")
    if any(image.shape != gt.shape for image in methods):
        raise DataError(f"images of different sizes: {[image.shape for image in (gt, *methods)]}")
    height, width = region_size(gt.shape, scale)
    tops, lefts = (
        np.arange(border, side - size - border + 1, scale)
        for side, size in zip(gt.shape[:2], (height, width), strict=True)
        for border in [scale if side >= size + 2 * scale else 0]
    )

    def window_means(values: np.ndarray) -> np.ndarray:
        total = cv2.integral(values, sdepth=cv2.CV_64F)
        lower, upper = total[tops + height], total[tops]
        sums = lower[:, lefts + width] - lower[:, lefts] - upper[:, lefts + width] + upper[:, lefts]
        return sums / (height * width)

    remaining = []
    for image in methods:
        error = image.astype(np.float64) - gt
        offset = np.stack([window_means(np.ascontiguousarray(error[..., i])) for i in range(3)])
        remaining.append(window_means((error**2).mean(axis=2)) - (offset**2).mean(axis=0))
    # Sums differ in their last bits by the order of adding; that must not decide.
    spread = np.round(np.ptp(np.stack(remaining), axis=0), 6)
    row, column = np.unravel_index(np.argmax(spread), spread.shape)
    return Region(x=int(lefts[column]), y=int(tops[row]), width=width, height=height)
