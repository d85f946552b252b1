"""A canvas for drawn aerial scenes: shapes in a turned frame, shadows to one side, smooth edges."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

_FINE = 4  # drawn this many times larger, then averaged: edges become as smooth as a camera's
_SHIFT = 4  # OpenCV takes fractions of a pixel as whole numbers of 1 / 2**_SHIFT

Colour = tuple[float, float, float]
Point = tuple[float, float]
Points = Sequence[Point] | np.ndarray


def shade(colour: Colour, factor: float = 1.0, plus: float = 0.0) -> Colour:
    """``factor`` times a colour ``plus`` so many grey levels, kept within 0 to 255."""
    red, green, blue = (min(255.0, max(0.0, factor * value + plus)) for value in colour)
    return red, green, blue


def noise(rng: np.random.Generator, size: int, cell: float) -> np.ndarray:
    """Draw smooth noise of unit deviation.

    Args:
        rng: Source of randomness.
        size: Side of the square in pixels.
        cell: Side of a blob in pixels.

    Returns:
        (size, size) float32.
    """
    knots = max(2, math.ceil(size / cell) + 1)
    coarse = rng.standard_normal((knots, knots)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC))


class Canvas:
    """A square picture seen from above.

    Coordinates are in pixels of the finished picture, from its centre, x to the right and y down, in a frame that is
    turned as a whole. A shape may lie outside in part.

    Args:
        rng: Source of randomness.
        size: Side of the picture in pixels.
        ground: Colour that it is filled with, RGB 0-255.
        mottle: Strength of the ground's blotches in grey levels.
    """

    def __init__(self, *, rng: np.random.Generator, size: int, ground: Colour, mottle: float) -> None:
        self.rng = rng
        self.size = size
        self.reach = 0.75 * size  # a frame turned by any angle is covered by this much to each side
        turn = rng.uniform(0, 2 * math.pi)
        self._turn = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        sun = rng.uniform(0, 2 * math.pi)
        self._shade = np.array([math.cos(sun), math.sin(sun)])
        self._facing = (self._shade @ self._turn).tolist()
        blotches = noise(rng, size, size / 6) + 0.6 * noise(rng, size, size / 24)
        field = np.asarray(ground, np.float32) + mottle * blotches[:, :, None]
        fine = cv2.resize(field, None, fx=_FINE, fy=_FINE, interpolation=cv2.INTER_LINEAR)
        self._image = fine.clip(0, 255).astype(np.uint8)

    def vary(self, colour: Colour, amount: float) -> Colour:
        """A colour like the given one, lighter or darker by chance."""
        return shade(colour, plus=self.rng.uniform(-amount, amount))

    def lit(self, colour: Colour, normal: Point) -> Colour:
        """A colour on a slope that faces ``normal`` (in the turned frame): lighter towards the sun."""
        return shade(colour, 1 - 0.22 * (normal[0] * self._facing[0] + normal[1] * self._facing[1]))

    def sees(self, centre: Point, margin: float) -> bool:
        """Tell whether anything within ``margin`` pixels of a point can be in the picture."""
        (a, b), (c, d) = self._turn
        x, y = centre
        return bool(max(abs(a * x + b * y), abs(c * x + d * y)) < self.size / 2 + margin)

    def _fixed(self, points: Points) -> np.ndarray:
        """From turned coordinates to OpenCV's fixed-point pixels on the fine grid."""
        pixels = (np.asarray(points, np.float64) @ self._turn.T + self.size / 2) * _FINE - 0.5
        return np.asarray(np.rint(pixels * 2**_SHIFT), np.int32)

    def polygon(self, points: Points, colour: Colour) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self._image, [self._fixed(points)], colour, cv2.LINE_8, _SHIFT)

    def box(self, centre: Point, width: float, height: float, colour: Colour, turn: float = 0.0) -> np.ndarray:
        """Fill a rectangle, ``width`` along x, turned further by ``turn`` radians; returns its corners."""
        corners = box_corners(centre, width, height, turn)
        self.polygon(corners, colour)
        return corners

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """Fill a circle."""
        middle = self._fixed(np.array([centre]))[0]
        cv2.circle(
            self._image, middle.tolist(), round(radius * _FINE * 2**_SHIFT), colour, cv2.FILLED, cv2.LINE_8, _SHIFT
        )

    def line(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        """Draw a straight band."""
        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0)
        self.box(((x0 + x1) / 2, (y0 + y1) / 2), length, width, colour, math.atan2(y1 - y0, x1 - x0))

    def dashes(self, start: Point, end: Point, width: float, colour: Colour, dash: float, gap: float) -> None:
        """Draw a broken line."""
        (x0, y0), (x1, y1) = start, end
        length = math.hypot(x1 - x0, y1 - y0)
        step = np.array([(x1 - x0) / length, (y1 - y0) / length])
        for at in np.arange(0, length - dash, dash + gap):
            first = np.array(start) + at * step
            self.line(tuple(first), tuple(first + dash * step), width, colour)

    def shadow(self, points: Points, height: float) -> None:
        """Darken what lies in the shadow of a flat shape that stands ``height`` pixels above the ground."""
        fixed = self._fixed(points)
        offset = np.rint(self._shade * height * _FINE * 2**_SHIFT).astype(np.int32)
        outline = cv2.convexHull(np.concatenate([fixed, fixed + offset]))
        pixels = outline.reshape(-1, 2) >> _SHIFT
        left, top = np.maximum(pixels.min(axis=0) - 1, 0)
        right, bottom = np.minimum(pixels.max(axis=0) + 2, self._image.shape[0])
        if left >= right or top >= bottom:
            return
        region = self._image[top:bottom, left:right]
        mask = np.zeros(region.shape[:2], np.uint8)
        cv2.fillPoly(mask, [outline - (np.array([left, top]) << _SHIFT).astype(np.int32)], 1, cv2.LINE_8, _SHIFT)
        dark = region[mask > 0] * np.array([0.45, 0.48, 0.56], np.float32)
        region[mask > 0] = dark.astype(np.uint8)

    def finish(self, *, grain: float) -> np.ndarray:
        """Give the picture, with a camera's grain of that many grey levels: (size, size, 3) uint8, RGB."""
        picture = cv2.resize(self._image, (self.size, self.size), interpolation=cv2.INTER_AREA).astype(np.float32)
        light = 1 + 0.03 * noise(self.rng, self.size, self.size / 3)
        speckle = self.rng.standard_normal((self.size, self.size, 1)).astype(np.float32) * grain
        return np.asarray(np.rint(picture * light[:, :, None] + speckle).clip(0, 255), np.uint8)


def box_corners(centre: Point, width: float, height: float, turn: float = 0.0) -> np.ndarray:
    """Corners of a rectangle, in order: (4, 2)."""
    half = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2
    cosine, sine = math.cos(turn), math.sin(turn)
    return np.asarray(half @ np.array([[cosine, sine], [-sine, cosine]]) + np.asarray(centre))
